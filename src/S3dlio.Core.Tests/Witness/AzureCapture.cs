using Azure.Core;
using Azure.Core.Pipeline;

namespace S3dlio.Tests.Witness;

/// <summary>Azure's client without a network: what it would send is kept.</summary>
sealed class AzureCapture : HttpPipelineTransport
{
    Sent? _seen;

    /// <summary>What one call of the client would send.</summary>
    public async Task<Sent> Of(Func<Task> call)
    {
        _seen = null;
        try
        {
            await call();
        }
        catch (Captured)
        {
            // in place of an answer
        }
        return _seen ?? throw new InvalidOperationException("the client sent nothing");
    }

    public override Request CreateRequest() => HttpClientTransport.Shared.CreateRequest();

    public override void Process(HttpMessage message) => throw new NotSupportedException();

    public override ValueTask ProcessAsync(HttpMessage message)
    {
        var request = message.Request;
        long length = 0;
        request.Content?.TryComputeLength(out length);
        _seen = new Sent(
            request.Method.Method, request.Uri.ToString(), (int)length,
            [.. request.Headers.Select(header => new KeyValuePair<string, string>(header.Name, header.Value))]);
        throw new Captured();
    }

    public sealed record Sent(string Method, string Uri, int Length, List<KeyValuePair<string, string>> Headers)
    {
        public string this[string name] => Headers.First(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;
    }

#pragma warning disable CA1032, CA1064, RCS1194 // thrown and caught here alone
    sealed class Captured : Exception;
#pragma warning restore CA1032, CA1064, RCS1194
}
