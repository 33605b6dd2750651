using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.S3;

/// <summary>
/// AWS Signature Version 4 for S3: the path is encoded once and not normalised. Signed are the host, Content-Type, Content-MD5 and all
/// <c>x-amz-*</c> headers; a proxy may change the others.
/// </summary>
sealed class SigV4Signer(string region, string service = "s3")
{
    public const string UnsignedPayload = "UNSIGNED-PAYLOAD";

    /// <summary>SHA-256 of no bytes.</summary>
    public const string EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    const string Algorithm = "AWS4-HMAC-SHA256";

    [ThreadStatic]
    static StringBuilder? t_text;

    static StampOf? s_second;

    DayKey? _day;

    public string Region => region;

    /// <summary>The value of the Authorization header.</summary>
    /// <param name="method">GET, PUT, …</param>
    /// <param name="path">Encoded, as sent.</param>
    /// <param name="query">Encoded and sorted, as sent; empty when there is none.</param>
    /// <param name="host">As in the Host header.</param>
    /// <param name="headers">What is sent, x-amz-date and x-amz-content-sha256 included.</param>
    /// <param name="payloadHash">SHA-256 in hexadecimal, or <see cref="UnsignedPayload"/>.</param>
    /// <param name="stamp">As in x-amz-date: <c>yyyyMMddTHHmmssZ</c>.</param>
    /// <param name="credentials">Whose signature it is.</param>
    public string Authorization(
        string method, string path, string query, string host, List<KeyValuePair<string, string>> headers, string payloadHash, string stamp, S3Credentials credentials)
    {
        var signed = Signed(headers, host);
        string names = Names(signed);
        string hash = CanonicalHash(method, path, query, signed, names, payloadHash);
        string signature = Signature(hash, stamp, credentials);
        return $"{Algorithm} Credential={credentials.AccessKeyId}/{Scope(stamp)}, SignedHeaders={names}, Signature={signature}";
    }

    /// <summary>A query that carries its own signature, for whoever holds the URL. Only the host is signed with it.</summary>
    public string PresignedQuery(string method, string path, List<KeyValuePair<string, string>> query, string host, string stamp, TimeSpan expires, S3Credentials credentials)
    {
        var all = new List<KeyValuePair<string, string>>(query)
        {
            new("X-Amz-Algorithm", Algorithm),
            new("X-Amz-Credential", $"{credentials.AccessKeyId}/{Scope(stamp)}"),
            new("X-Amz-Date", stamp),
            new("X-Amz-Expires", ((long)expires.TotalSeconds).ToString(CultureInfo.InvariantCulture)),
            new("X-Amz-SignedHeaders", "host"),
        };
        if (credentials.SessionToken is { } token)
            all.Add(new("X-Amz-Security-Token", token));
        string text = Query(all);
        string hash = CanonicalHash(method, path, text, [new("host", host)], "host", UnsignedPayload);
        return $"{text}&X-Amz-Signature={Signature(hash, stamp, credentials)}";
    }

    /// <summary>Names and values encoded, sorted and joined.</summary>
    public static string Query(List<KeyValuePair<string, string>> parameters)
    {
        if (parameters.Count == 0)
            return "";
        var pairs = new string[parameters.Count];
        for (int i = 0; i < pairs.Length; i++)
            pairs[i] = $"{PercentEncoding.Value(parameters[i].Key)}={PercentEncoding.Value(parameters[i].Value)}";
        // '=' sorts behind '-' and '.', so whole pairs would sort wrongly where one name begins with another
        Array.Sort(pairs, static (a, b) =>
        {
            int order = a.AsSpan(0, a.IndexOf('=', StringComparison.Ordinal)).CompareTo(b.AsSpan(0, b.IndexOf('=', StringComparison.Ordinal)), StringComparison.Ordinal);
            return order != 0 ? order : string.CompareOrdinal(a, b);
        });
        return string.Join('&', pairs);
    }

    public static string Stamp(DateTimeOffset time)
    {
        // thousands of requests share a second
        long second = time.UtcTicks / TimeSpan.TicksPerSecond;
        var known = Volatile.Read(ref s_second);
        if (known is not null && known.Second == second)
            return known.Text;
        string text = time.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        Volatile.Write(ref s_second, new StampOf(second, text));
        return text;
    }

    static string Names(List<KeyValuePair<string, string>> signed)
    {
        var text = t_text ??= new StringBuilder(1024);
        text.Clear();
        foreach (var (name, _) in signed)
            text.Append(name).Append(';');
        return text.ToString(0, text.Length - 1);
    }

    static List<KeyValuePair<string, string>> Signed(List<KeyValuePair<string, string>> headers, string host)
    {
        var signed = new List<KeyValuePair<string, string>>(headers.Count + 1) { new("host", host) };
        foreach (var (name, value) in headers)
        {
            string lower = name.ToLowerInvariant();
            if (lower.StartsWith("x-amz-", StringComparison.Ordinal) || lower is "content-type" or "content-md5")
                signed.Add(new(lower, Collapse(value)));
        }
        signed.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        return signed;
    }

    /// <summary>Blanks at the ends go, runs of them become one.</summary>
    static string Collapse(string value)
    {
        value = value.Trim(' ');
        while (value.Contains("  ", StringComparison.Ordinal))
            value = value.Replace("  ", " ", StringComparison.Ordinal);
        return value;
    }

    string Scope(string stamp) => $"{stamp.AsSpan(0, 8)}/{region}/{service}/aws4_request";

    static string CanonicalHash(string method, string path, string query, List<KeyValuePair<string, string>> signed, string names, string payloadHash)
    {
        var text = t_text ??= new StringBuilder(1024);
        text.Clear().Append(method).Append('\n').Append(path).Append('\n').Append(query).Append('\n');
        foreach (var (name, value) in signed)
            text.Append(name).Append(':').Append(value).Append('\n');
        text.Append('\n').Append(names).Append('\n').Append(payloadHash);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> bytes = most <= 4096 ? stackalloc byte[most] : new byte[most];
        int length = 0;
        // pairs of surrogates do not occur: path and query are encoded, header values are ASCII
        foreach (var chunk in text.GetChunks())
            length += Encoding.UTF8.GetBytes(chunk.Span, bytes[length..]);
        SHA256.HashData(bytes[..length], hash);
        return Convert.ToHexStringLower(hash);
    }

    string Signature(string canonicalHash, string stamp, S3Credentials credentials)
    {
        string text = $"{Algorithm}\n{stamp}\n{Scope(stamp)}\n{canonicalHash}";
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> bytes = most <= 4096 ? stackalloc byte[most] : new byte[most];
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(Key(stamp.AsSpan(0, 8), credentials), bytes[..Encoding.UTF8.GetBytes(text, bytes)], hash);
        return Convert.ToHexStringLower(hash);
    }

    byte[] Key(ReadOnlySpan<char> day, S3Credentials credentials)
    {
        var known = Volatile.Read(ref _day);
        if (known is not null && ReferenceEquals(known.Credentials, credentials) && day.SequenceEqual(known.Day))
            return known.Key;
        string date = day.ToString();
        byte[] key = HMACSHA256.HashData(Encoding.UTF8.GetBytes("AWS4" + credentials.SecretAccessKey), Encoding.UTF8.GetBytes(date));
        key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(region));
        key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(service));
        key = HMACSHA256.HashData(key, "aws4_request"u8);
        Volatile.Write(ref _day, new DayKey(date, credentials, key));
        return key;
    }

    sealed class StampOf(long second, string text)
    {
        public long Second => second;

        public string Text => text;
    }

    sealed class DayKey(string day, S3Credentials credentials, byte[] key)
    {
        public string Day => day;

        public S3Credentials Credentials => credentials;

        public byte[] Key => key;
    }
}
