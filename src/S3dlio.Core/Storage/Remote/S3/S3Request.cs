using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>One call to S3, before it is signed.</summary>
sealed class S3Request(HttpMethod method, string bucket, string key, string subject)
{
    public HttpMethod Method => method;

    public string Bucket => bucket;

    public string Key => key;

    /// <summary>The object as the user names it.</summary>
    public string Subject => subject;

    public List<KeyValuePair<string, string>> Query { get; } = [];

    public List<KeyValuePair<string, string>> Headers { get; } = [];

    public HttpBody? Body { get; init; }

    /// <summary>SHA-256 of the body in hexadecimal; null where it is not signed.</summary>
    public string? PayloadHash { get; init; }

    public TimeSpan? Patience { get; init; }

    /// <summary>A status besides success that is an answer and no failure.</summary>
    public int AlsoAccept { get; set; }

    public S3Request Ask(string name, string value = "")
    {
        Query.Add(new(name, value));
        return this;
    }

    public S3Request Say(string name, string? value)
    {
        if (value is not null)
            Headers.Add(new(name, value));
        return this;
    }
}
