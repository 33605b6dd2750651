using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Long work that C begins, waits for, and frees. The buffers it was given are in use until it has ended, also after a cancel.</summary>
sealed partial class Operation : ITransferProgress, IDisposable
{
    readonly CancellationTokenSource _cancel = new();
    readonly List<IDisposable> _owned = [];
    Task _task = Task.CompletedTask;
    long _done;
    long _total = -1;

    /// <summary>JSON text of the result, with a NUL behind it; null when the operation gives none.</summary>
    public ResultMemory? Json { get; private set; }

    /// <summary>Bytes of the result; null when the operation gives none.</summary>
    public ResultMemory? Data { get; private set; }

    public long Done => Volatile.Read(ref _done);

    /// <summary>-1 until it is known.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>Starts the work on the pool and gives the operation's number.</summary>
    public static ulong Begin(Job work)
    {
        var operation = new Operation();
        operation._task = Task.Run(() => work(operation, operation._cancel.Token), CancellationToken.None);
        return Handles.Add(operation);
    }

    void ITransferProgress.Begin(long total) => Volatile.Write(ref _total, total);

    void IProgress<long>.Report(long value) => Interlocked.Add(ref _done, value);

    /// <summary>Memory of the result, freed with the operation.</summary>
    public LargeMemory Allocate(long length)
    {
        Data = Own(new ResultMemory(length));
        return Data.Target;
    }

    public void SetJson(ReadOnlySpan<byte> text)
    {
        Json = Own(new ResultMemory(text.Length + 1));
        var memory = Json.Target.Slice(0, text.Length + 1).Span;
        text.CopyTo(memory);
        memory[text.Length] = 0;
    }

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

    public void Cancel() => _cancel.Cancel();

    /// <summary>Cancels what still runs and returns when the caller's buffers are no longer in use.</summary>
    public void Dispose()
    {
        if (!_task.IsCompleted)
        {
            _cancel.Cancel();
            ((IAsyncResult)_task).AsyncWaitHandle.WaitOne();
        }
        _cancel.Dispose();
        DisposeItems();
        foreach (var item in _owned)
            item.Dispose();
    }
}
