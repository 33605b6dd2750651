namespace S3dlio.Http;

/// <summary>An answer that came over HttpClient.</summary>
sealed class HttpClientResponse(HttpSettings settings, HttpCall call, HttpResponseMessage response)
    : HttpResponse(call, HttpHead.Of((int)response.StatusCode, All(response)), call.Patience ?? settings.ReadTimeout)
{
    Stream? _body;

    public override long? Length => response.Content.Headers.ContentLength;

    protected override int TakeAhead(Span<byte> destination) => 0;

    protected override async ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken cancel)
    {
        using var idle = new IdleTimer(Call.Patience ?? settings.ReadTimeout, cancel);
        try
        {
            _body ??= await response.Content.ReadAsStreamAsync(idle.Token).ConfigureAwait(false);
            // the stream ends its socket's read before it throws, so a cancelled read no longer writes to the memory
            return await _body.ReadAsync(destination, idle.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            throw HttpFault.Translate(error, Call, settings, idle.Expired, cancel);
        }
    }

    protected override void Dispose(bool disposing) => response.Dispose();

    static IEnumerable<(string Name, string Value)> All(HttpResponseMessage response)
    {
        foreach (var (name, values) in response.Headers.NonValidated)
            yield return (name, values.ToString());
        foreach (var (name, values) in response.Content.Headers.NonValidated)
            yield return (name, values.ToString());
    }
}
