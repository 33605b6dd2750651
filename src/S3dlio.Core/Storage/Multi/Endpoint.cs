namespace S3dlio.Storage.Multi;

/// <summary>What one endpoint has been asked for so far.</summary>
/// <param name="Uri">Its address.</param>
/// <param name="Name">What tells it from others of that address, such as its URL.</param>
/// <param name="Requests">Calls, of which each may have taken several requests.</param>
/// <param name="Failures">Those that it did not answer.</param>
/// <param name="InFlight">Calls, readers and writers under way.</param>
/// <param name="IsAvoided">It failed a moment ago, and others are asked first.</param>
/// <param name="Errors">Calls that failed in any way; that a search for a key did not find it here is none.</param>
/// <param name="BytesRead">Bytes of objects that were read here.</param>
/// <param name="BytesWritten">Bytes of objects that were written here.</param>
public readonly record struct EndpointStatistics(
    string Uri, string Name, long Requests, long Failures, long InFlight, bool IsAvoided, long Errors, long BytesRead, long BytesWritten);

/// <summary>One of the stores behind a store of several.</summary>
sealed class Endpoint(ObjectStore store, string name, TimeSpan cooldown, TimeProvider clock)
{
    long _requests, _failures, _inFlight, _avoidedUntil, _errors, _read, _written;

    public ObjectStore Store => store;

    public long InFlight => Interlocked.Read(ref _inFlight);

    public bool IsAvoided => Interlocked.Read(ref _avoidedUntil) > clock.GetTimestamp();

    public EndpointStatistics Statistics => new(
        store.Root.ToString(), name, Interlocked.Read(ref _requests), Interlocked.Read(ref _failures), InFlight, IsAvoided,
        Interlocked.Read(ref _errors), Interlocked.Read(ref _read), Interlocked.Read(ref _written));

    public void Read(long bytes) => Interlocked.Add(ref _read, bytes);

    public void Wrote(long bytes) => Interlocked.Add(ref _written, bytes);

    /// <summary>Counts a call as under way until <see cref="End"/>.</summary>
    public void Begin()
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Increment(ref _inFlight);
    }

    /// <summary>The same for what a call leaves open, which is no call of its own.</summary>
    public void Hold() => Interlocked.Increment(ref _inFlight);

    public void End() => Interlocked.Decrement(ref _inFlight);

    /// <summary>Takes note of how a call ended.</summary>
    /// <returns>True when the endpoint was not there to answer, so that another may.</returns>
    public bool Failed(StoreException error)
    {
        Interlocked.Increment(ref _errors);
        if (error.Kind is not (ErrorKind.Unavailable or ErrorKind.Timeout))
            return false;
        Interlocked.Increment(ref _failures);
        if (!IsAvoided)
            Events.Tell(EventLevel.Warning,
                $"{name}: it does not answer, and others are asked first for {cooldown.TotalSeconds:0.#} s: {error.Detail}");
        Interlocked.Exchange(ref _avoidedUntil, clock.GetTimestamp() + (long)(cooldown.TotalSeconds * clock.TimestampFrequency));
        return true;
    }

    /// <summary>Does something with what a call left open, and takes note of a failure.</summary>
    public ValueTask<bool> NoteAsync(Func<ValueTask> work) => NoteAsync(() => DoneAsync(work()));

    public async ValueTask<T> NoteAsync<T>(Func<ValueTask<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            Failed(error);
            throw;
        }
    }

    public ValueTask<bool> RunAsync(Func<ObjectStore, ValueTask> call) => RunAsync(store => DoneAsync(call(store)));

    /// <summary>Something without a result as a call that has one.</summary>
    public static async ValueTask<bool> DoneAsync(ValueTask work)
    {
        await work.ConfigureAwait(false);
        return true;
    }

    /// <param name="call">What is asked of the store.</param>
    /// <param name="isSearch">Whether an object that is not here is an answer like any other.</param>
    public async ValueTask<T> RunAsync<T>(Func<ObjectStore, ValueTask<T>> call, bool isSearch = false)
    {
        Begin();
        try
        {
            var result = await call(store).ConfigureAwait(false);
            Interlocked.Exchange(ref _avoidedUntil, 0);
            return result;
        }
        catch (StoreException error) when (!isSearch || error.Kind != ErrorKind.NotFound)
        {
            Failed(error);
            throw;
        }
        finally
        {
            End();
        }
    }

    public static bool IsDown(StoreException error) => error.Kind is ErrorKind.Unavailable or ErrorKind.Timeout;
}
