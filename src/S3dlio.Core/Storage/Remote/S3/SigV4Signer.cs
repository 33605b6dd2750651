using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

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
    static SigningText? t_text;

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
        string method, string path, string query, string host, List<KeyValuePair<string, string>> headers, string payloadHash, string stamp,
        S3Credentials credentials)
    {
        var text = t_text ??= new SigningText();
        text.Collect(headers, host);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        text.HashRequest(method, path, query, payloadHash, hash);
        Sign(text.Begin(), stamp, hash, credentials, hash);
        text.Begin().Add(Algorithm).Add(" Credential=").Add(credentials.AccessKeyId).Add('/');
        AddScope(text, stamp);
        text.Add(", SignedHeaders=");
        text.AddNames();
        text.Add(", Signature=").AddHex(hash);
        return text.ToString();
    }

    /// <summary>A presigned query: the URL works without credentials. Only the Host header is signed.</summary>
    public string PresignedQuery(
        string method, string path, List<KeyValuePair<string, string>> query, string host, string stamp, TimeSpan expires,
        S3Credentials credentials)
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
        string signed = Query(all);
        var text = t_text ??= new SigningText();
        text.Collect([], host);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        text.HashRequest(method, path, signed, UnsignedPayload, hash);
        Sign(text.Begin(), stamp, hash, credentials, hash);
        return $"{signed}&X-Amz-Signature={Convert.ToHexStringLower(hash)}";
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
            int order = a.AsSpan(0, a.IndexOf('=', StringComparison.Ordinal)).CompareTo(
                b.AsSpan(0, b.IndexOf('=', StringComparison.Ordinal)), StringComparison.Ordinal);
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

    string Scope(string stamp) => $"{stamp.AsSpan(0, 8)}/{region}/{service}/aws4_request";

    void AddScope(SigningText text, string stamp) =>
        text.Add(stamp.AsSpan(0, 8)).Add('/').Add(region).Add('/').Add(service).Add("/aws4_request");

    void Sign(SigningText text, string stamp, ReadOnlySpan<byte> requestHash, S3Credentials credentials, Span<byte> signature)
    {
        text.Add(Algorithm).Add('\n').Add(stamp).Add('\n');
        AddScope(text, stamp);
        text.Add('\n').AddHex(requestHash);
        text.Authenticate(Key(stamp.AsSpan(0, 8), credentials), signature);
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
