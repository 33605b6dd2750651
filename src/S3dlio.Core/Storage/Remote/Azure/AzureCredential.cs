using System.Globalization;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>What proves to the service who is asking.</summary>
abstract class AzureCredential
{
    /// <summary>Where it comes from, for messages: an option's or a variable's name, never its value.</summary>
    public abstract string Origin { get; }

    /// <summary>What goes into every address, without a leading <c>?</c> or <c>&amp;</c>. A secret.</summary>
    public virtual string Query => "";

    /// <summary>Signs URLs and copies' sources; null where there is no key.</summary>
    public virtual SharedKeySigner? Signer => null;

    public virtual ValueTask AuthorizeAsync(HttpCall call, DateTimeOffset now, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>Forgets what <paramref name="refused"/> was sent with, where asking again can give something newer.</summary>
    public virtual bool Forget(HttpCall refused) => false;
}

/// <summary>The account's own key: everything is allowed.</summary>
sealed class SharedKeyCredential(string account, byte[] key, string origin) : AzureCredential
{
    public override string Origin => origin;

    public override SharedKeySigner Signer { get; } = new(account, key);

    public override ValueTask AuthorizeAsync(HttpCall call, DateTimeOffset now, CancellationToken cancel)
    {
        Signer.Sign(call, now);
        return ValueTask.CompletedTask;
    }
}

/// <summary>A shared access signature: what it allows is in it.</summary>
sealed class SasCredential(string token, string origin) : AzureCredential
{
    public override string Origin => origin;

    public override string Query => token;

    /// <summary>When it ends by its own words; null where a stored policy says that, which is the service's to know.</summary>
    public DateTimeOffset? End { get; } = EndOf(token);

    static DateTimeOffset? EndOf(string token)
    {
        foreach (string pair in token.Split('&'))
        {
            if (pair.StartsWith("se=", StringComparison.Ordinal)
                && DateTimeOffset.TryParse(
                    Uri.UnescapeDataString(pair[3..]), CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var end))
                return end;
        }
        return null;
    }
}

/// <summary>Anonymous access, for public containers.</summary>
sealed class AnonymousCredential : AzureCredential
{
    public override string Origin => "no credentials";
}

/// <summary>Bearer tokens of Microsoft Entra ID.</summary>
sealed class BearerCredential(AccessTokens tokens) : AzureCredential
{
    const string Scheme = "Bearer ";

    public override string Origin => "DefaultAzureCredential";

    public override async ValueTask AuthorizeAsync(HttpCall call, DateTimeOffset now, CancellationToken cancel) =>
        call.Add("Authorization", Scheme + await tokens.GetAsync(call.Subject, now, cancel).ConfigureAwait(false));

    public override bool Forget(HttpCall refused)
    {
        foreach (var (name, value) in refused.Headers)
        {
            if (name == "Authorization")
                return tokens.Forget(value[Scheme.Length..]);
        }
        return false;
    }
}
