namespace S3dlio.Http;

/// <summary>
/// Tokens that retries cost and successes bring back, as in the "standard" retry mode of Amazon's own clients: a store that fails now and
/// then gets all the attempts it needs, one that is down is not buried under them.
/// </summary>
sealed class RetryBudget
{
    /// <summary>100 retries in a row without a success.</summary>
    public const int DefaultCapacity = 500;

    public const int RetryCost = 5;

    /// <summary>A timeout has already cost the server more.</summary>
    public const int TimeoutCost = 10;

    readonly int _capacity;
    int _tokens;

    public RetryBudget(int capacity = DefaultCapacity) => _tokens = _capacity = capacity;

    public int Tokens => Volatile.Read(ref _tokens);

    public bool TryTake(int cost)
    {
        int found = Volatile.Read(ref _tokens);
        while (found >= cost)
        {
            int seen = Interlocked.CompareExchange(ref _tokens, found - cost, found);
            if (seen == found)
                return true;
            found = seen;
        }
        return false;
    }

    public void Give(int count)
    {
        int found = Volatile.Read(ref _tokens);
        while (found < _capacity)
        {
            int seen = Interlocked.CompareExchange(ref _tokens, Math.Min(_capacity, found + count), found);
            if (seen == found)
                return;
            found = seen;
        }
    }
}
