using System.Net;
using Amazon.Runtime;
using Amazon.S3;

namespace S3dlio.Tests.Witness;

/// <summary>Amazon's client without a network: what it would send is kept, and answered with a refusal.</summary>
#pragma warning disable CA1001 // the handler has nothing to dispose of
sealed class AwsCapture : HttpClientFactory
#pragma warning restore CA1001
{
    readonly Handler _handler = new();

    public HttpRequestMessage? Seen => _handler.Seen;

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => new(_handler, disposeHandler: false);

    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    /// <summary>What one call of the client would send.</summary>
    public async Task<HttpRequestMessage> Of(Func<Task> call)
    {
        _handler.Seen = null;
        try
        {
            await call();
        }
        catch (AmazonS3Exception)
        {
            // the refusal
        }
        return _handler.Seen ?? throw new InvalidOperationException("the client sent nothing");
    }

    /// <summary>The value of a header, wherever .NET puts it.</summary>
    public static string? Header(HttpRequestMessage request, string name) =>
        request.Headers.TryGetValues(name, out var values) || request.Content?.Headers.TryGetValues(name, out values) == true
            ? string.Join(',', values)
            : null;

    sealed class Handler : HttpMessageHandler
    {
        public HttpRequestMessage? Seen { get; set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Seen = request;
            return Task.FromResult(
                new HttpResponseMessage(HttpStatusCode.Forbidden) { Content = new StringContent("<Error><Code>Captured</Code></Error>") });
        }
    }
}
