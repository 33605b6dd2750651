using System.Globalization;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>One call to the Blob service, before it is authorized.</summary>
/// <param name="method">HTTP's.</param>
/// <param name="container">Empty for the account itself.</param>
/// <param name="key">Empty for the container itself.</param>
/// <param name="subject">The object as the user names it.</param>
sealed class AzureRequest(HttpMethod method, string container, string key, string subject)
{
    public HttpMethod Method => method;

    public string Container => container;

    public string Key => key;

    public string Subject => subject;

    public List<KeyValuePair<string, string>> Query { get; } = [];

    public List<KeyValuePair<string, string>> Headers { get; } = [];

    public HttpBody? Body { get; init; }

    public TimeSpan? Patience { get; init; }

    public AzureRequest Ask(string name, string? value)
    {
        if (value is not null)
            Query.Add(new(name, value));
        return this;
    }

    public AzureRequest Say(string name, string? value)
    {
        if (value is not null)
            Headers.Add(new(name, value));
        return this;
    }

    /// <summary>Bytes <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    /// <summary>Null for <paramref name="last"/> means to the object's end.</summary>
    public AzureRequest SayRange(long first, long? last) =>
        Say("x-ms-range", string.Create(CultureInfo.InvariantCulture, $"bytes={first}-{last}"));

    /// <summary>An ETag as a condition; the service wants it quoted.</summary>
    public AzureRequest SayIfMatch(string? etag) => Say("If-Match", etag is null ? null : ETags.Quoted(etag));
}
