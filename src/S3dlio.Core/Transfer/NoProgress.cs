namespace S3dlio.Transfer;

/// <summary>Ignores progress: for internal reads, and for the single objects of a bulk call, which counts objects.</summary>
sealed class NoProgress : ITransferProgress
{
    public static readonly NoProgress Instance = new();

    public void Begin(long total)
    {
        // see above
    }

    public void Report(long value)
    {
        // see above
    }
}
