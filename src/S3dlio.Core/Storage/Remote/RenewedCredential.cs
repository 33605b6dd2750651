namespace S3dlio.Storage.Remote;

/// <summary>
/// A credential from a vendor's own chain, which a program of its own asks: <see cref="CredentialProgram"/>. It is renewed ahead of its end
/// while calls go on with it, by one question for all of them; one without an end serves until a server refuses it.
/// </summary>
abstract class RenewedCredential<T>
    where T : class
{
    /// <summary>How long before its end it is renewed, half of its time at most.</summary>
    static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    /// <summary>How long one that still holds is used before the chain, which just failed to give another, is asked again.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    /// <summary>One this close to its end may end on its way.</summary>
    static readonly TimeSpan Last = TimeSpan.FromSeconds(15);

    /// <summary>A chain's message gives a line for each link; what is longer is cut.</summary>
    const int LongestReason = 600;

    readonly Lock _gate = new();
    Task<Held>? _asking;
    Held? _known;
    T? _refused;

    public ValueTask<T> GetAsync(string subject, DateTimeOffset now, CancellationToken cancel)
    {
        if (Volatile.Read(ref _known) is not { } known)
            return new(WaitAsync(Request(subject), cancel));
        if (known.RenewOn > now)
            return new(known.Value);
        var asking = Request(subject);
        return known.End - Last > now ? new(known.Value) : new(WaitAsync(asking, cancel));
    }

    /// <summary>Drops what a server refused, unless another call has had it renewed already.</summary>
    public bool Forget(T? refused)
    {
        if (Volatile.Read(ref _known) is { } known && refused is not null && IsSame(known.Value, refused))
        {
            Volatile.Write(ref _refused, refused);
            Interlocked.CompareExchange(ref _known, null, known);
        }
        return true;
    }

    protected abstract bool IsSame(T a, T b);

    /// <summary>Asks the chain.</summary>
    /// <param name="refused">What a server refused before; null for none.</param>
    /// <returns>The credential, when to renew it where the chain says, and its end.</returns>
    protected abstract Task<(T Value, DateTimeOffset? RenewOn, DateTimeOffset End)> AskAsync(T? refused);

    /// <summary>The error where there is none.</summary>
    /// <param name="subject">The store.</param>
    /// <param name="reason">Why, in the words of the chain.</param>
    /// <param name="isRenewal">There was one before.</param>
    /// <param name="cause">What was thrown.</param>
    protected abstract StoreException Missing(string subject, string reason, bool isRenewal, Exception cause);

    static async Task<T> WaitAsync(Task<Held> asking, CancellationToken cancel) =>
        (await asking.WaitAsync(cancel).ConfigureAwait(false)).Value;

    /// <summary>All calls wait for one question; it goes on when some of them are cancelled.</summary>
    Task<Held> Request(string subject)
    {
        lock (_gate)
        {
            if (_asking is null || _asking.IsCompleted)
                _asking = Task.Run(() => RenewAsync(subject), CancellationToken.None);
            return _asking;
        }
    }

    async Task<Held> RenewAsync(string subject)
    {
        var (known, refused) = (Volatile.Read(ref _known), Volatile.Read(ref _refused));
        try
        {
            var (value, renewOn, end) = await AskAsync(refused).ConfigureAwait(false);
            // a signer keeps what it derived from a credential as long as that is the same object
            if (known is not null && IsSame(known.Value, value))
                value = known.Value;
            var now = DateTimeOffset.UtcNow;
            var margin = (end - now) / 2 < Margin ? (end - now) / 2 : Margin;
            var found = new Held(value, renewOn ?? end - margin, end);
            Volatile.Write(ref _known, found);
            Volatile.Write(ref _refused, null);
            string until = end == DateTimeOffset.MaxValue ? "without an end" : $"until {end.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";
            if (known is null && refused is null)
                Events.Tell(EventLevel.Debug, $"{subject}: the chain of credential providers gave credentials {until}");
            else
                Events.Tell(EventLevel.Info, $"{subject}: credentials were renewed, {until}");
            return found;
        }
        catch (Exception error) when (known is not null && known.End > DateTimeOffset.UtcNow)
        {
            string until = $"{known.End.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";
            Events.Tell(EventLevel.Warning,
                $"{subject}: credentials could not be renewed; those that are known hold until {until}: {OneLine(error.Message)}");
            // it was to be renewed ahead of time, and there is time left
            var again = known with { RenewOn = DateTimeOffset.UtcNow + Pause };
            Interlocked.CompareExchange(ref _known, again, known);
            return again;
        }
        catch (Exception error) when (error is not StoreException)
        {
            throw Missing(subject, OneLine(error.Message), refused is not null || known is not null, error);
        }
    }

    static string OneLine(string message)
    {
        string joined = string.Join(
            "; ", message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        return joined.Length <= LongestReason ? joined : joined[..LongestReason] + "…";
    }

    sealed record Held(T Value, DateTimeOffset RenewOn, DateTimeOffset End);
}
