using S3dlio.Http;
using S3dlio.IO;

namespace S3dlio.Storage.Remote;

/// <summary>
/// Signs and sends the requests of one configuration of a service; all stores of the process with that configuration share it.
/// </summary>
abstract class RemoteClient
{
    protected RemoteClient(RemoteOptions options, string subject, TimeProvider? clock)
    {
        Http = options;
        InFlight = new InFlight(options.MaxInFlight, options.MemoryLimit);
        Retry = new RetryPolicy(options.Retry, new RetryBudget(), static error => Tally.Find(error.Uri)?.Retry(), clock);
        Transport = HttpTransport.Shared(options.Settings, subject);
    }

    public RemoteOptions Http { get; }

    public InFlight InFlight { get; }

    public RetryPolicy Retry { get; }

    HttpTransport Transport { get; }

    /// <summary>
    /// Sends an attempt as it is. Whether it may wait in the kernel is asked of the thread, here and no sooner: an operation that began on
    /// a blocking thread may have gone on in one of the pool since.
    /// </summary>
    protected ValueTask<HttpResponse> SendAsync(HttpCall call, CancellationToken cancel) =>
        Transport.SendAsync(call, BlockingThread.IsCurrent, cancel);

    /// <summary>
    /// Sends once, with what belongs to the attempt itself: new credentials for those that expired, a redirect to another region.
    /// </summary>
    /// <exception cref="HttpFailure">It failed, perhaps only this time.</exception>
    public abstract ValueTask<HttpResponse> AttemptAsync(RemoteRequest request, CancellationToken cancel);

    /// <summary>Sends, with retries, until there is an answer, whose body the caller then reads.</summary>
    public ValueTask<HttpResponse> OpenAsync(RemoteRequest request, CancellationToken cancel) =>
        Retry.RunAsync(request.Subject, async (_, stop) =>
        {
            // not held until the body is read: an open reader must not keep others waiting
            using var place = await InFlight.EnterAsync(1, 0, stop).ConfigureAwait(false);
            return await AttemptAsync(request, stop).ConfigureAwait(false);
        }, cancel);

    /// <summary>Sends, with retries, reads the answer with <paramref name="read"/> and disposes of it.</summary>
    public ValueTask<T> SendAsync<T>(
        RemoteRequest request, Func<HttpResponse, CancellationToken, ValueTask<T>> read, CancellationToken cancel) =>
        Retry.RunAsync(request.Subject, (_, stop) => OnceAsync(request, read, stop), cancel);

    /// <summary>The same for answers of which only the headers matter.</summary>
    public ValueTask<T> SendAsync<T>(RemoteRequest request, Func<HttpResponse, T> read, CancellationToken cancel) =>
        Retry.RunAsync(request.Subject, (_, stop) => OnceAsync(request, read, stop), cancel);

    public ValueTask<bool> SendAsync(RemoteRequest request, CancellationToken cancel) => SendAsync(request, static _ => true, cancel);

    /// <summary>The same for answers that are a text of at most <paramref name="limit"/> bytes.</summary>
    public ValueTask<T> SendAsync<T>(RemoteRequest request, int limit, Func<ReadOnlyMemory<byte>, T> parse, CancellationToken cancel) =>
        SendAsync(request, async (answer, stop) => parse(await answer.ReadTextAsync(limit, stop).ConfigureAwait(false)), cancel);

    /// <summary>One attempt, for callers that decide themselves on the next.</summary>
    public ValueTask<T> OnceAsync<T>(RemoteRequest request, Func<HttpResponse, T> read, CancellationToken cancel) =>
        OnceAsync(request, async (answer, stop) =>
        {
            var result = read(answer);
            await answer.DrainAsync(stop).ConfigureAwait(false);
            return result;
        }, cancel);

    public async ValueTask<T> OnceAsync<T>(
        RemoteRequest request, Func<HttpResponse, CancellationToken, ValueTask<T>> read, CancellationToken cancel)
    {
        using var place = await InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false);
        using var answer = await AttemptAsync(request, cancel).ConfigureAwait(false);
        return await read(answer, cancel).ConfigureAwait(false);
    }
}
