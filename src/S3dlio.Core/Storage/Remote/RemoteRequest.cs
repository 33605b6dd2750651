using S3dlio.Http;

namespace S3dlio.Storage.Remote;

/// <summary>One request to a service, before it is signed.</summary>
/// <param name="method">The HTTP method.</param>
/// <param name="container">The bucket or container; empty for the account itself.</param>
/// <param name="key">Empty for the container itself.</param>
/// <param name="subject">The object as the user names it, for messages.</param>
sealed class RemoteRequest(HttpMethod method, string container, string key, string subject)
{
    public HttpMethod Method => method;

    public string Container => container;

    public string Key => key;

    public string Subject => subject;

    public List<KeyValuePair<string, string>> Query { get; } = [];

    public List<KeyValuePair<string, string>> Headers { get; } = [];

    public HttpBody? Body { get; init; }

    /// <summary>Where it is counted; null for what is asked of an account.</summary>
    public IRequestTally? Tally { get; init; }

    /// <summary>SHA-256 of the body in hexadecimal; null where it is not signed.</summary>
    public string? PayloadHash { get; init; }

    /// <summary>Silence allowed while the server works; null: the client's setting.</summary>
    public TimeSpan? Patience { get; init; }

    /// <summary>A status besides success that is an answer and no failure.</summary>
    public int AlsoAccept { get; init; }

    /// <summary>Adds a query parameter, unless its value is null.</summary>
    public RemoteRequest WithQuery(string name, string? value = "")
    {
        if (value is not null)
            Query.Add(new(name, value));
        return this;
    }

    /// <summary>Adds a header, unless its value is null.</summary>
    public RemoteRequest WithHeader(string name, string? value)
    {
        if (value is not null)
            Headers.Add(new(name, value));
        return this;
    }

    /// <summary>Adds an ETag as a condition, in quotes.</summary>
    public RemoteRequest WithIfMatch(string? etag) => WithHeader("If-Match", etag is null ? null : ETags.Quoted(etag));
}
