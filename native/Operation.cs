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
    ulong _file;

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
        var operation = Start(work);
        try
        {
            return Handles.Add(operation);
        }
        catch
        {
            // without a number nobody could wait until the buffers are let go
            operation.Dispose();
            throw;
        }
    }

    /// <summary>Does the work and waits for it. It gets no number, so no other thread can free it meanwhile.</summary>
    public static void Run(Job work, Action<Operation>? result = null)
    {
        using var operation = Start(work);
        operation.Wait(-1);
        result?.Invoke(operation);
    }

    static Operation Start(Job work)
    {
        var operation = new Operation();
        operation._task = Task.Run(() => work(operation, operation._cancel.Token), CancellationToken.None);
        return operation;
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

    /// <summary>Gives the file that the operation opened a number; until <see cref="TakeFile"/> it belongs to the operation.</summary>
    public ulong OwnFile(IAsyncDisposable file)
    {
        _file = Handles.Add(new OpenFile(file));
        return _file;
    }

    /// <summary>The caller knows the file's number now and closes it.</summary>
    public void TakeFile() => Interlocked.Exchange(ref _file, 0);

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

    /// <summary>Calls <paramref name="told"/> when the work has ended, at once when it has; on a thread of the library.</summary>
    public void WhenEnded(Action told) => _task.ContinueWith(
        static (_, state) => ((Action)state!)(), told, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

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

    /// <summary>Ends it and frees the result; once only.</summary>
    /// <remarks>The token source stays: it holds nothing native, and another thread may be in <see cref="Cancel"/> just now.</remarks>
    public void Dispose()
    {
        End();
        DisposeItems();
        foreach (var item in _owned)
            item.Dispose();
        ulong file = Interlocked.Exchange(ref _file, 0);
        if (file != 0 && Handles.Remove<OpenFile>(file, "file", out var opened))
            Run(Jobs.Close(opened!));
    }
}
