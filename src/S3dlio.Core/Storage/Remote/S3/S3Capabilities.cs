namespace S3dlio.Storage.Remote.S3;

enum Support
{
    Unknown,
    Yes,
    No,
}

/// <summary>
/// What an endpoint has been seen to do with checksums. Servers echo what they understood, so the first put and the first multipart upload
/// settle it, and no call guesses afterwards.
/// </summary>
sealed class S3Capabilities
{
    readonly bool _native;
    readonly bool _metadata;
    readonly string _place;
    volatile bool _copiesWrongly;

    public S3Capabilities(S3Options options, S3Endpoint endpoint)
    {
        _place = endpoint.Base;
        _native = options.Checksum is ChecksumMode.Auto or ChecksumMode.Native;
        _metadata = options.Checksum is ChecksumMode.Auto or ChecksumMode.Metadata;
        if (options.Checksum == ChecksumMode.Native || endpoint.IsAmazon)
            Put = Whole = Support.Yes;
        if (!_native)
            Put = Whole = Support.No;
    }

    /// <summary>A put's CRC32C is checked and kept.</summary>
    public Support Put { get; private set; }

    /// <summary>A multipart upload's CRC32C of the whole object (FULL_OBJECT) is.</summary>
    public Support Whole { get; private set; }

    /// <summary>The object that was opened last came in one answer; the next one probably will, too.</summary>
    public bool ObjectsAreSmall { get; set; } = true;

    public bool VerifiesChecksums => Put == Support.Yes;

    public bool SendsWithPut => _native && Put != Support.No;

    public bool SendsWithUpload => _native && Whole != Support.No;

    /// <summary>The put's metadata must hold the checksum, since nothing else surely does.</summary>
    public bool NotesWithPut => _metadata && Put != Support.Yes;

    public bool NotesWithUpload => _metadata && Whole != Support.Yes;

    /// <summary>Puts note the checksums of blocks with the object: no server tells those of an object that came in one piece.</summary>
    public bool NotesBlocks => _metadata;

    /// <summary>The server tells the checksums of an upload's parts.</summary>
    public Support Parts { get; private set; }

    /// <summary>Copies ask the server for the CRC32C of what it copied.</summary>
    public bool AsksCopies => Put == Support.Yes && !_copiesWrongly;

    /// <summary>A copy's checksum was another than its source's: moto computes an IEEE CRC-32.</summary>
    public void SawWrongCopy() => _copiesWrongly = true;

    public void SawPut(bool echoed)
    {
        if (Put != Support.Unknown)
            return;
        Put = echoed ? Support.Yes : Support.No;
        if (!echoed)
            Events.TellOnce($"checksums {_place}", EventLevel.Info,
                $"{_place}: the server keeps no CRC32C of its own; it is noted in the objects' metadata");
    }

    public void SawParts(bool told)
    {
        if (told || Parts == Support.Unknown)
            Parts = told ? Support.Yes : Support.No;
    }

    public void SawUpload(bool whole)
    {
        if (Whole == Support.Unknown)
            Whole = whole ? Support.Yes : Support.No;
    }
}
