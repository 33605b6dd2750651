using System.Globalization;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// Tokens from Microsoft's own chain (environment, workload identity, managed identity, developer tools), which a program of its own asks:
/// <see cref="CredentialProgram"/>. One token serves all calls until it is about to expire.
/// </summary>
#pragma warning disable CA1001 // lives as long as the process; a semaphore nobody waits on asynchronously through a handle holds nothing
sealed class AccessTokens(string? authority)
#pragma warning restore CA1001
{
    static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    /// <summary>How long a token that still holds is used before the source, which just failed to give another, is asked again.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    readonly SemaphoreSlim _one = new(1, 1);
    Token? _known;
    string? _refused;

    public ValueTask<string> GetAsync(string subject, DateTimeOffset now, CancellationToken cancel) =>
        Volatile.Read(ref _known) is { } known && known.RenewOn > now
            ? ValueTask.FromResult(known.Text)
            : new ValueTask<string>(AskAsync(subject, now, cancel));

    /// <summary>Drops the token that the service refused, unless another call has had it renewed already.</summary>
    public bool Forget(string? refused)
    {
        if (Volatile.Read(ref _known) is { } known && known.Text == refused)
        {
            Volatile.Write(ref _refused, refused);
            Interlocked.CompareExchange(ref _known, null, known);
        }
        return true;
    }

    async Task<string> AskAsync(string subject, DateTimeOffset now, CancellationToken cancel)
    {
        await _one.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (_known is { } known && known.RenewOn > now)
                return known.Text;
            var found = await AskAsync(null).WaitAsync(cancel).ConfigureAwait(false);
            if (found.Text == _refused)
                // out of a cache of the service's or the tool's, which they pass over for claims only
                found = await AskAsync(IssuedSince(now)).WaitAsync(cancel).ConfigureAwait(false);
            Volatile.Write(ref _known, found);
            Volatile.Write(ref _refused, null);
            return found.Text;
        }
        catch (Exception error) when (error is not (OperationCanceledException or StoreException) && _known is { } old && old.End > now)
        {
            // it was to be renewed ahead of time, and there is time left
            Volatile.Write(ref _known, old with { RenewOn = now + Pause });
            return old.Text;
        }
        catch (Exception error) when (error is not (OperationCanceledException or StoreException) && (_refused is not null || _known is not null))
        {
            throw new StoreException(ErrorKind.Authentication, subject,
                $"the access token has expired or was taken back, and its source gives no new one: {Reasons.OneLine(error.Message)}; log in anew ('az login'), or see to the identity service of this machine", cause: error) { Reason = ErrorReason.ExpiredCredentials };
        }
        catch (Exception error) when (error is not (OperationCanceledException or StoreException))
        {
            throw new StoreException(ErrorKind.Authentication, subject,
                $"no credentials were found: {Reasons.OneLine(error.Message)}; give one of the options connection_string, account_key or sas_token (or AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN), log in with 'az login', or set credential='anonymous' for public data", cause: error) { Reason = ErrorReason.NoCredentials };
        }
        finally
        {
            _one.Release();
        }
    }

    async Task<Token> AskAsync(string? claims)
    {
        var found = await CredentialProgram.AskAsync("microsoft", ("authority", authority), ("claims", claims)).ConfigureAwait(false);
        var end = Time("ends")!.Value;
        return new Token(found.GetProperty("token").GetString()!, Time("renew") ?? end - Margin, end);

        DateTimeOffset? Time(string name) => found.TryGetProperty(name, out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds.GetInt64()) : null;
    }

    /// <summary>What services themselves send with a refusal, to have a token that is newer (OpenID Connect Core, 5.5).</summary>
    static string IssuedSince(DateTimeOffset now) =>
        "{\"access_token\":{\"nbf\":{\"essential\":true,\"value\":\"" + now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture) + "\"}}}";

    sealed record Token(string Text, DateTimeOffset RenewOn, DateTimeOffset End);
}
