namespace S3dlio.OpLog;

/// <summary>The words of the column <c>op</c>.</summary>
public static class OpName
{
    public const string Get = "GET", Put = "PUT", Stat = "STAT", List = "LIST", Delete = "DELETE", Copy = "COPY", Move = "MOVE";
}

/// <summary>One operation, as a row of a log holds it.</summary>
public readonly record struct OpRecord
{
    public OpRecord()
    {
    }

    /// <summary>Position in the order of writing.</summary>
    public long Index { get; init; }

    /// <summary>A small number: readers of others take no more than 16 bits.</summary>
    public int Thread { get; init; }

    /// <summary>One of <see cref="OpName"/>, or what another program wrote.</summary>
    public string Op { get; init; } = "";

    public string ClientId { get; init; } = "";

    /// <summary>Objects that the operation was about: 1, or as many as were listed or deleted.</summary>
    public long Objects { get; init; }

    /// <summary>Bytes of objects that went over the wire or to and from a disk.</summary>
    public long Bytes { get; init; }

    /// <summary><c>s3://bucket</c>, <c>az://account/container</c>, <c>file://</c>, …</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>The address without its scheme: <c>bucket/key</c>, or the path of a file.</summary>
    public string File { get; init; } = "";

    /// <summary>What it failed with; empty where it did not.</summary>
    public string Error { get; init; } = "";

    /// <summary>Nanoseconds since 1970, UTC.</summary>
    public long Start { get; init; }

    /// <summary>When the first byte was there to be read; null where there was none.</summary>
    public long? FirstByte { get; init; }

    public long End { get; init; }

    /// <summary>Where the first byte of a part of an object lies; null for all of it.</summary>
    public long? Offset { get; init; }

    /// <summary>Bytes that came from a cache of the machine; null where none stands before the store.</summary>
    public long? Cached { get; init; }

    public long Duration => End - Start;
}
