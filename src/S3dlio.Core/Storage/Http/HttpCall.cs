namespace S3dlio.Storage.Http;

/// <summary>One request, made anew (with a new date and signature) for each attempt.</summary>
sealed class HttpCall
{
    public required HttpMethod Method { get; init; }

    /// <summary>Sent as it is; see <see cref="HttpTransport.Address"/>.</summary>
    public required Uri Address { get; init; }

    /// <summary>The object or store as the user names it, for messages.</summary>
    public required string Subject { get; init; }

    /// <summary>Sent as they are, in this order. Content-Type goes here too.</summary>
    public List<KeyValuePair<string, string>> Headers { get; } = [];

    public HttpBody? Body { get; init; }

    /// <summary>Silence allowed while the server works, where a call is known to take long; null: <see cref="HttpSettings.ReadTimeout"/>.</summary>
    public TimeSpan? Patience { get; init; }

    public void Add(string name, string value) => Headers.Add(new(name, value));
}
