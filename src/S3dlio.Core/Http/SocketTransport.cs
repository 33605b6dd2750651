using System.Collections.Concurrent;

namespace S3dlio.Http;

/// <summary>Requests over connections of our own: HTTP/1.1, kept alive, a pool for each server.</summary>
sealed class SocketTransport(HttpSettings settings, HttpDialer dialer)
{
    readonly ConcurrentDictionary<HttpOrigin, HttpPool> _pools = new();

    /// <summary>Sends a request once. When this returns, or throws, the body's memory is the caller's again.</summary>
    /// <exception cref="HttpFailure">No answer came.</exception>
    public async ValueTask<HttpResponse> SendAsync(HttpCall call, CancellationToken cancel)
    {
        if (!_pools.TryGetValue(call.Origin, out var pool))
            pool = _pools.GetOrAdd(call.Origin, new HttpPool(call.Origin, dialer));
        HttpConnection? connection = null;
        bool succeeded = false;
        try
        {
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                connection = pool.TryTake() ?? await pool.DialAsync(cancel).ConfigureAwait(false);
                try
                {
                    HttpHead head;
                    bool sent;
                    using (connection.Begin(call.Patience ?? settings.ReadTimeout, cancel))
                        (head, sent) = await HttpExchange.RunAsync(connection, call).ConfigureAwait(false);
                    connection.Rest();
                    succeeded = head.Status is >= 200 and < 300;
                    var answer = new SocketResponse(pool, connection, settings, call, head, keep: sent);
                    connection = null;
                    return answer;
                }
                catch (Exception error) when (call.IsRead && connection is { IsUsed: true, IsMute: true, WasSilent: false } && HttpFault.IsTransport(error) && !cancel.IsCancellationRequested)
                {
                    // the server hung up while the connection waited: that says nothing of this request
                    connection.Dispose();
                    connection = null;
                }
            }
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            throw HttpFault.Translate(error, call, settings, connection is { WasSilent: true }, cancel);
        }
        finally
        {
            connection?.Dispose();
            if (call.Body is not null)
                await call.Body.LetGoAsync(succeeded).ConfigureAwait(false);
        }
    }
}
