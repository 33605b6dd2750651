namespace S3dlio.Storage.Http;

/// <summary>A server as its clients name it: what connections are pooled by.</summary>
/// <param name="IsTls">https.</param>
/// <param name="Host">A name in ASCII, or an address without brackets.</param>
/// <param name="Port">1 to 65535.</param>
sealed record HttpOrigin(bool IsTls, string Host, int Port)
{
    /// <summary>As messages name it.</summary>
    public string Place => $"{Host}:{Port}";

    /// <summary>The Host header of its requests.</summary>
    public string Authority { get; } = (Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host) + (Port == (IsTls ? 443 : 80) ? "" : $":{Port}");

    /// <summary>What stands before a target in a whole address.</summary>
    public string Text => (IsTls ? "https://" : "http://") + Authority;

    public static HttpOrigin Of(Uri address) => new(address.Scheme == "https", address.IdnHost, address.Port);
}
