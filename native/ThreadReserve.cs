using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>
/// What a call needs of threads, before it begins. A pool of .NET that cannot have a thread which it wants ends the process; so there are a
/// few in reserve (native/threads.c), the pool is held to what it has once one of them was needed, and calls are refused when too few are
/// left.
/// </summary>
static unsafe partial class ThreadReserve
{
    /// <summary>
    /// Fewer are not enough for one call: a worker, which may be there already, and a thread of .NET that looks after workers.
    /// </summary>
    const int Least = 2;

    const int Full = 4;

    static readonly Lock Gate = new();
    static (int Workers, int Ports)? s_before;

    /// <exception cref="StoreException">OutOfSpace: too few threads, and the system refuses more.</exception>
    public static void Require()
    {
        int left = s3dlio_threads_reserve(&Hold);
        if (left < Least && left + Math.Min(ThreadPool.ThreadCount, 1) < Least)
            throw new StoreException(ErrorKind.OutOfSpace, "threads",
                "the system gives this process no more threads, and the call needs some: raise the limit (ulimit -u, or the container's "
                + "pids limit), or end what else runs under it");
        if (left >= Full && s_before is not null)
            LetGo();
    }

    /// <summary>Called by the thread that could not make another: no more workers than there are.</summary>
    [UnmanagedCallersOnly]
    static void Hold()
    {
        lock (Gate)
        {
            if (s_before is not null)
                return;
            ThreadPool.GetMaxThreads(out int workers, out int ports);
            int there = Math.Max(1, ThreadPool.ThreadCount);
            ThreadPool.GetMinThreads(out _, out int leastPorts);
            if (ThreadPool.SetMinThreads(1, leastPorts) && ThreadPool.SetMaxThreads(there, ports))
                s_before = (workers, ports);
        }
    }

    static void LetGo()
    {
        lock (Gate)
        {
            if (s_before is not { } before || !ThreadPool.SetMaxThreads(before.Workers, before.Ports))
                return;
            ThreadPool.GetMinThreads(out _, out int ports);
            ThreadPool.SetMinThreads(Environment.ProcessorCount, ports);
            s_before = null;
        }
    }

    [LibraryImport("s3dlio_threads")]
    private static partial int s3dlio_threads_reserve(delegate* unmanaged<void> scarce);
}
