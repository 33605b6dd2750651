namespace S3dlio.Storage.Http;

/// <summary>What all readers of a client share.</summary>
/// <param name="Retry">Tries again.</param>
/// <param name="InFlight">Bounds the requests at once.</param>
/// <param name="Hints">How objects are best read.</param>
sealed record HttpReaderSettings(RetryPolicy Retry, InFlight InFlight, TransferHints Hints)
{
    /// <summary>Bytes that pass on a connection while another request would be answered.</summary>
    const int Gap = 1 << 20;

    /// <summary>One object's requests at once, whatever the whole client may have.</summary>
    const int ReadsAtOnce = 16;

    public static HttpReaderSettings Of(HttpOptions options, RetryPolicy retry, InFlight inFlight) =>
        new(retry, inFlight, new TransferHints(options.PartSize, Math.Min(options.MaxInFlight, ReadsAtOnce), Gap));
}
