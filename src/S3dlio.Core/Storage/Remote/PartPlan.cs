using S3dlio.Hashing;

namespace S3dlio.Storage.Remote;

/// <summary>How a payload is cut into parts of one length.</summary>
sealed class PartPlan(Payload payload, int partLength)
{
    public int Count => (int)((payload.Length + partLength - 1) / partLength);

    /// <summary>The first parts, which hold the head.</summary>
    public int CountWithHead => (payload.HeadLength + partLength - 1) / partLength;

    public PayloadPart Part(int part, ReadOnlyMemory<byte> head)
    {
        long begin = (long)part * partLength;
        return new PayloadPart(payload, head, begin, Math.Min(partLength, payload.Length - begin));
    }

    /// <summary>The part without what of it is head.</summary>
    public PayloadPart BodyOf(int part)
    {
        long begin = Math.Max((long)part * partLength, payload.HeadLength), end = Math.Min((long)(part + 1) * partLength, payload.Length);
        return new PayloadPart(payload, default, begin, Math.Max(0, end - begin));
    }
}

/// <summary>Gathers the checksums of a payload's segments from those of their pieces, which come in any order.</summary>
sealed class BodyChecksums(Payload payload)
{
    readonly SortedDictionary<(int Segment, long Offset), (Checksum Checksum, long Length)> _pieces = [];
    readonly Lock _gate = new();

    public void Add(PayloadPart part, PartHash hash)
    {
        lock (_gate)
        {
            for (int i = 0; i < part.Pieces.Count; i++)
            {
                if (part.Places[i].Segment >= 0)
                    _pieces[part.Places[i]] = (hash.Pieces[i], part.Pieces[i].Length);
            }
        }
    }

    public Checksum[] Segments()
    {
        var segments = new Checksum[payload.Body.Count];
        foreach (var ((segment, _), (checksum, length)) in _pieces)
            segments[segment] = Checksum.Combine(segments[segment], checksum, length);
        return segments;
    }
}
