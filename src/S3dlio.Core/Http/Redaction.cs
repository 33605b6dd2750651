namespace S3dlio.Http;

/// <summary>What a server says of a request, before users see it: some repeat what they were sent, to help with signatures.</summary>
static class Redaction
{
    const string Instead = "[secret]";

    /// <summary>The text without the tokens, keys and signatures that the request carried.</summary>
    public static string Clean(HttpCall call, string said)
    {
        if (said.Length == 0)
            return said;
        foreach (var (name, value) in call.Headers)
        {
            if (name.Equals("Authorization", StringComparison.OrdinalIgnoreCase))
            {
                said = Replace(said, value);
                // the signature or token alone
                int scheme = value.IndexOf(' ', StringComparison.Ordinal);
                said = Replace(said, value[(scheme + 1)..]);
                said = Replace(said, value[(value.TrimEnd('=').LastIndexOfAny(['=', ':', ' ']) + 1)..]);
            }
            else if (name.Equals("x-amz-security-token", StringComparison.OrdinalIgnoreCase)
                || name.EndsWith("-customer-key", StringComparison.OrdinalIgnoreCase))
            {
                said = Replace(said, value);
            }
        }
        // not Uri.Query: addresses that are sent as they are have none
        foreach (string pair in call.Address.OriginalString.Split('?', '&'))
        {
            if (!pair.StartsWith("sig=", StringComparison.Ordinal))
                continue;
            said = Replace(said, pair[4..]);
            said = Replace(said, Uri.UnescapeDataString(pair[4..]));
        }
        return said;
    }

    /// <remarks>What is shorter is no secret, and would be found in every other word.</remarks>
    static string Replace(string said, string secret) =>
        secret.Length < 8 ? said : said.Replace(secret, Instead, StringComparison.OrdinalIgnoreCase);
}
