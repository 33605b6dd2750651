namespace S3dlio.Storage.Remote.S3;

/// <summary>
/// Keys from Amazon's own chain of credential providers, which a program of its own asks: <see cref="CredentialProgram"/>. Keys that end are
/// renewed ahead of time while calls go on with them; those without an end serve until a server refuses them.
/// </summary>
sealed class ChainCredentials(string? profile, string region) : CredentialSource
{
    /// <summary>How long before their end keys are renewed, half of their time at most.</summary>
    static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    /// <summary>How long keys that still hold are used before the chain, which just failed to give others, is asked again.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    /// <summary>Keys this close to their end may end on their way.</summary>
    static readonly TimeSpan Last = TimeSpan.FromSeconds(15);

    readonly Lock _gate = new();
    Task<Found>? _asking;
    Found? _known;

    public override ValueTask<S3Credentials?> GetAsync(string subject, CancellationToken cancel)
    {
        var now = DateTimeOffset.UtcNow;
        if (Volatile.Read(ref _known) is not { } known)
            return new(WaitAsync(Ask(subject), cancel));
        if (known.RenewOn > now)
            return new(known.Keys);
        var asking = Ask(subject);
        return known.End - Last > now ? new(known.Keys) : new(WaitAsync(asking, cancel));
    }

    public override bool Forget(S3Credentials? expired)
    {
        // of many calls that met the same expired keys the first has had them renewed
        if (Volatile.Read(ref _known) is { } known && ReferenceEquals(known.Keys, expired))
            Interlocked.CompareExchange(ref _known, null, known);
        return true;
    }

    static async Task<S3Credentials?> WaitAsync(Task<Found> asking, CancellationToken cancel) => (await asking.WaitAsync(cancel).ConfigureAwait(false)).Keys;

    /// <summary>Everybody waits for the one question; it goes on when some of them are cancelled.</summary>
    Task<Found> Ask(string subject)
    {
        lock (_gate)
        {
            if (_asking is null || _asking.IsCompleted)
                _asking = Task.Run(() => AskAsync(subject), CancellationToken.None);
            return _asking;
        }
    }

    async Task<Found> AskAsync(string subject)
    {
        try
        {
            var answer = await CredentialProgram.AskAsync("amazon", ("profile", profile), ("region", region)).ConfigureAwait(false);
            var keys = new S3Credentials(Text("access_key_id")!, Text("secret_access_key")!, Text("session_token"));
            // the signer keeps its day key as long as the keys are the same object
            if (Volatile.Read(ref _known) is { } known && known.Keys.IsSame(keys))
                keys = known.Keys;
            var now = DateTimeOffset.UtcNow;
            var end = answer.TryGetProperty("ends", out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds.GetInt64()) : DateTimeOffset.MaxValue;
            var margin = (end - now) / 2 < Margin ? (end - now) / 2 : Margin;
            var found = new Found(keys, end - margin, end);
            Volatile.Write(ref _known, found);
            return found;

            string? Text(string name) => answer.TryGetProperty(name, out var value) ? value.GetString() : null;
        }
        catch (CredentialException) when (Volatile.Read(ref _known) is { } known && known.End - Last > DateTimeOffset.UtcNow)
        {
            // they were to be renewed ahead of time, and there is time left
            var again = known with { RenewOn = DateTimeOffset.UtcNow + Pause };
            Interlocked.CompareExchange(ref _known, again, known);
            return again;
        }
        catch (Exception error) when (error is not StoreException)
        {
            throw new StoreException(ErrorKind.Authentication, subject,
                $"no credentials were found ({Reasons.OneLine(error.Message)}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the options access_key_id and secret_access_key, name a profile, or set anonymous=true for public data", cause: error) { Reason = ErrorReason.NoCredentials };
        }
    }

    sealed record Found(S3Credentials Keys, DateTimeOffset RenewOn, DateTimeOffset End);
}
