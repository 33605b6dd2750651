using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>
/// Long work that C begins, waits for, and frees. The buffers it was given are in use until it has ended, also after a cancel.
/// </summary>
sealed partial class Operation : ITransferProgress, IDisposable
{
    readonly CancellationTokenSource _cancel = new();
    readonly List<IDisposable> _owned = [];
    Task _task = Task.CompletedTask;
    long _done;
    long _total = -1;
    ulong _opened;
    int _left;

    /// <summary>JSON text of the result, with a NUL behind it; null when the operation gives none.</summary>
    public ResultMemory? Json { get; private set; }

    /// <summary>Bytes of the result; null when the operation gives none.</summary>
    public ResultMemory? Data { get; private set; }

    public long Done => Volatile.Read(ref _done);

    /// <summary>-1 until it is known.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>Starts the work and gives the operation's number.</summary>
    /// <param name="work">What it does.</param>
    /// <param name="brief">
    /// It takes no longer than waking another thread and being woken by it: it is done here, as far as it comes without waiting. Otherwise
    /// it goes to the pool.
    /// </param>
    public static ulong Begin(Job work, bool brief)
    {
        if (!brief)
            ThreadReserve.Require();
        var operation = Start(work, brief);
        try
        {
            return Handles.Add(operation);
        }
        catch
        {
            // without an id the caller could not wait until its buffers are released
            operation.Dispose();
            throw;
        }
    }

    /// <summary>Does the work and waits for it. It gets no number, so no other thread can free it meanwhile.</summary>
    public static void Run(Job work, Action<Operation>? result = null)
    {
        ThreadReserve.Require();
        // this thread would only wait: it does the work itself, as far as it comes without waiting
        using var operation = Start(work, here: true);
        operation.Wait(-1);
        result?.Invoke(operation);
    }

    static Operation Start(Job work, bool here)
    {
        var operation = new Operation();
        // a job is asynchronous: whatever it throws is in its task
        operation._task = here
            ? work(operation, operation._cancel.Token)
            : Task.Run(() => work(operation, operation._cancel.Token), CancellationToken.None);
        return operation;
    }

    void ITransferProgress.Begin(long total)
    {
        Volatile.Write(ref _done, 0);
        Volatile.Write(ref _total, total);
    }

    void IProgress<long>.Report(long value) => Interlocked.Add(ref _done, value);

    /// <summary>Memory of the result, freed with the operation; what starts over gets the same once more where that fits.</summary>
    public LargeMemory Allocate(long length)
    {
        if (Data is { } before && before.Length != length)
        {
            lock (_owned)
                _owned.Remove(before);
            before.Dispose();
            Data = null;
        }
        Data ??= Own(new ResultMemory(length));
        return Data.Target;
    }

    public void SetJson(ReadOnlySpan<byte> text)
    {
        Json = Own(new ResultMemory(text.Length + 1));
        var memory = Json.Target.Slice(0, text.Length + 1).Span;
        text.CopyTo(memory);
        memory[text.Length] = 0;
    }

    /// <summary>Gives what the operation opened a number; until <see cref="TakeOpened"/> it belongs to the operation.</summary>
    public ulong OwnOpened(IAsyncDisposable opened)
    {
        _opened = Handles.Add(opened);
        return _opened;
    }

    /// <summary>The caller knows the number of what was opened now and closes it.</summary>
    public void TakeOpened() => Interlocked.Exchange(ref _opened, 0);

    T Own<T>(T item)
        where T : IDisposable
    {
        lock (_owned)
            _owned.Add(item);
        return item;
    }

    /// <summary>Waits at most <paramref name="milliseconds"/>, without end when negative.</summary>
    /// <returns>True when the operation has ended.</returns>
    /// <exception cref="StoreException">It ended with a failure.</exception>
    public bool Wait(int milliseconds)
    {
        if (_task.IsCompletedSuccessfully)
            return true;
        try
        {
            if (!_task.Wait(milliseconds < 0 ? Timeout.Infinite : milliseconds))
                return false;
        }
        catch (AggregateException)
        {
            // the failure itself follows, unwrapped
        }
        _task.GetAwaiter().GetResult();
        return true;
    }

    /// <summary>Calls <paramref name="told"/> when the work has ended, at once when it has; on a thread of the library.</summary>
    public void WhenEnded(Action told) => _task.ContinueWith(
        static (_, state) => ((Action)state!)(), told, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
        TaskScheduler.Default);

    public void Cancel()
    {
        try
        {
            _cancel.Cancel();
        }
        catch (AggregateException)
        {
            // one listener failed; all were told, and whether the work ends is seen by waiting for it
        }
    }

    /// <summary>Cancels what still runs and returns when the caller's buffers are no longer in use. Several threads may do so.</summary>
    public void End()
    {
        if (_task.IsCompleted)
            return;
        Cancel();
        ((IAsyncResult)_task).AsyncWaitHandle.WaitOne();
    }

    /// <summary>Cancels what still runs and waits at most <paramref name="milliseconds"/> for its end, without end when negative.</summary>
    /// <returns>False when it still runs.</returns>
    public bool End(int milliseconds)
    {
        if (_task.IsCompleted)
            return true;
        Cancel();
        return ((IAsyncResult)_task).AsyncWaitHandle.WaitOne(milliseconds < 0 ? Timeout.Infinite : milliseconds);
    }

    /// <summary>Whether <see cref="Leave"/> was called: what frees it is on its way then.</summary>
    public bool IsLeft => Volatile.Read(ref _left) != 0;

    /// <summary>
    /// Has <paramref name="free"/> called on a thread of the library when the work has ended; the first call alone counts.
    /// </summary>
    public void Leave(Action free)
    {
        if (Interlocked.Exchange(ref _left, 1) == 0)
            _task.ContinueWith(
                static (_, state) => ((Action)state!)(), free, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <summary>Ends it and frees the result; once only.</summary>
    /// <remarks>The token source stays: it holds nothing native, and another thread may be in <see cref="Cancel"/> just now.</remarks>
    public void Dispose()
    {
        End();
        DisposeItems();
        foreach (var item in _owned)
            item.Dispose();
        ulong number = Interlocked.Exchange(ref _opened, 0);
        if (number != 0 && Handles.Remove<IAsyncDisposable>(number, "file, writer, log or table", out var opened))
            Run(Jobs.Close(opened!));
    }
}
