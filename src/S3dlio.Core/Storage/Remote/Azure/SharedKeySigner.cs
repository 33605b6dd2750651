using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>Shared Key authorization of the Blob service, version 2015-02-21 and later.</summary>
sealed class SharedKeySigner(string account, byte[] key)
{
    // the headers of which only the values are signed, in this order
    static readonly string[] Standard =
    [
        "Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
        "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
    ];

    /// <summary>Adds the date and the signature.</summary>
    public void Sign(HttpCall call, DateTimeOffset now)
    {
        call.Add("x-ms-date", now.ToString("R", CultureInfo.InvariantCulture));
        call.Add("Authorization", $"SharedKey {account}:{Sign(StringToSign(account, call))}");
    }

    public string Sign(string text) => Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));

    internal static string StringToSign(string account, HttpCall call)
    {
        var text = new StringBuilder(512);
        text.Append(call.Method.Method).Append('\n');
        foreach (string name in Standard)
        {
            string value = name == "Content-Length"
                ? call.Body is { Length: > 0 } body ? body.Length.ToString(CultureInfo.InvariantCulture) : ""
                : Find(call, name);
            text.Append(value).Append('\n');
        }
        var own = call.Headers.Where(header => header.Key.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase)).ToList();
        own.Sort(static (a, b) => HeaderOrder.Compare(a.Key, b.Key));
        foreach (var (name, value) in own)
            text.Append(name.ToLowerInvariant()).Append(':').Append(value.Trim()).Append('\n');
        text.Append('/').Append(account).Append(call.Address.AbsolutePath);
        foreach (var (name, value) in Query(call.Address).OrderBy(pair => pair.Key, StringComparer.Ordinal))
            text.Append('\n').Append(name).Append(':').Append(value);
        return text.ToString();
    }

    static string Find(HttpCall call, string name)
    {
        foreach (var (key, value) in call.Headers)
        {
            if (name.Equals(key, StringComparison.OrdinalIgnoreCase))
                return value;
        }
        return "";
    }

    // no parameter is sent twice, so there are no values to join
    static IEnumerable<KeyValuePair<string, string>> Query(Uri address)
    {
        foreach (string part in address.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int mark = part.IndexOf('=', StringComparison.Ordinal);
            string name = mark < 0 ? part : part[..mark];
            yield return new(Uri.UnescapeDataString(name).ToLowerInvariant(), mark < 0 ? "" : Uri.UnescapeDataString(part[(mark + 1)..]));
        }
    }
}

/// <summary>
/// The order of signed headers. The service sorts as .NET's en-US culture does: hyphens count only where nothing else differs, an
/// underscore stands before the digits and these before the letters, and case does not matter. Metadata names are why this can be seen at
/// all.
/// </summary>
static class HeaderOrder
{
    public static int Compare(string a, string b)
    {
        int i = 0, j = 0;
        while (true)
        {
            while (i < a.Length && a[i] == '-')
                i++;
            while (j < b.Length && b[j] == '-')
                j++;
            if (i == a.Length || j == b.Length)
                break;
            int difference = Weight(a[i++]) - Weight(b[j++]);
            if (difference != 0)
                return difference;
        }
        return i < a.Length ? 1 : j < b.Length ? -1 : string.CompareOrdinal(a, b);
    }

    static int Weight(char c) => c == '_' ? 0 : char.ToLowerInvariant(c);
}
