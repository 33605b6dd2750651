namespace S3dlio.Http;

/// <summary>
/// How one attempt failed: the error that the user would see, and what the next attempt has to know. Never leaves a backend.
/// </summary>
sealed class HttpFailure(StoreException error) : Exception(error.Message, error)
{
    public StoreException Error => error;

    /// <summary>Another attempt may succeed.</summary>
    public bool Transient { get; init; }

    /// <summary>The server said that it is asked too much.</summary>
    public bool Throttled { get; init; }

    /// <summary>The server may have done what it was asked although no answer came.</summary>
    public bool OutcomeUnknown { get; init; }

    /// <summary>Attempts at most for this kind of failure, where fewer than usual make sense.</summary>
    public int MostAttempts { get; init; } = int.MaxValue;

    /// <summary>What the server asked for in Retry-After.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The answer's status; 0 when there was none.</summary>
    public int Status { get; init; }

    /// <summary>The service's own name for the error; empty when it gave none.</summary>
    public string Code { get; init; } = "";
}
