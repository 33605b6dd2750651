namespace S3dlio.Http;

/// <summary>One request, made anew (with a new date and signature) for each attempt.</summary>
sealed class HttpCall
{
    Uri? _address;

    public required HttpMethod Method { get; init; }

    public HttpOrigin Origin { get; init; } = null!;

    /// <summary>Path and query, encoded, sent as they are.</summary>
    public string Target { get; init; } = "";

    /// <summary>Origin and target in one, where speed does not matter; see <see cref="HttpTransport.Address"/>.</summary>
    public Uri Address
    {
        get => _address ??= HttpTransport.Address(Origin.Text + Target);
        init => (_address, Origin, Target) = (value, HttpOrigin.Of(value), value.PathAndQuery);
    }

    /// <summary>The object or store as the user names it, for messages.</summary>
    public required string Subject { get; init; }

    /// <summary>Sent as they are, in this order. Content-Type goes here too.</summary>
    public List<KeyValuePair<string, string>> Headers { get; } = new(8);

    public HttpBody? Body { get; init; }

    /// <summary>Counts it and its bytes.</summary>
    public IRequestTally? Tally { get; init; }

    /// <summary>
    /// Silence allowed while the server works, where a call is known to take long; null: <see cref="HttpSettings.ReadTimeout"/>.
    /// </summary>
    public TimeSpan? Patience { get; init; }

    /// <summary>Nothing is changed by doing it twice.</summary>
    public bool IsRead => Method == HttpMethod.Get || Method == HttpMethod.Head;

    public void Add(string name, string value) => Headers.Add(new(name, value));
}
