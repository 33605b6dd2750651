using System.Runtime.ExceptionServices;

namespace S3dlio.IO;

/// <summary>
/// Priority for work beside a program that computes: SCHED_BATCH, under which a thread that wakes does not preempt another. A save behind a
/// training wakes thousands of times, with each answer of the device, and took a tenth of the training's time that way. What the process
/// chose itself for its threads stays.
/// </summary>
static class BatchPriority
{
    const int Normal = 0, Batch = 3;

    /// <summary>
    /// Steps below the rest of the process. A fifth of a processor beside a thread that wants all of it, which is about what a save needs
    /// to keep up with its disk.
    /// </summary>
    const int Niceness = 6;

    /// <summary>The kernel's copies are not deep.</summary>
    const int StackLength = 1 << 20;

    /// <summary>
    /// Does <paramref name="work"/> in a thread of its own whose share of a busy processor is small, and waits for it. The work waits for
    /// nothing of the pool and gives it nothing: a thread that is made by this one has its priority, and a thread of the pool would keep
    /// it.
    /// </summary>
    public static T Do<T>(Func<ValueTask<T>> work)
    {
        T? result = default;
        ExceptionDispatchInfo? fault = null;
        var thread = new Thread(() =>
        {
            if (Interop.sched_getscheduler(0) == Normal)
                _ = Set(Batch);
            // it cannot be taken back, which is why this thread ends with the work; some sandboxes refuse, and then it goes on as others do
            _ = Interop.nice(Niceness);
            try
            {
                result = work().AsTask().GetAwaiter().GetResult();
            }
            catch (Exception error)
            {
                fault = ExceptionDispatchInfo.Capture(error);
            }
        }, StackLength)
        { IsBackground = true, Name = "s3dlio behind" };
        try
        {
            thread.UnsafeStart();
        }
        catch (OutOfMemoryException)
        {
            // no more threads: then here, at the priority that there is
            return work().AsTask().GetAwaiter().GetResult();
        }
        thread.Join();
        fault?.Throw();
        return result!;
    }

    /// <summary>
    /// The current thread as one of batch work for as long as what this gives lives; no thread may be made meanwhile, as above.
    /// </summary>
    public static Scope Enter(bool wanted) => new(wanted && Interop.sched_getscheduler(0) == Normal && Set(Batch));

    static bool Set(int policy)
    {
        // its one field: the priority of real-time threads
        int none = 0;
        return Interop.sched_setscheduler(0, policy, ref none) == 0;
    }

    public readonly ref struct Scope(bool entered)
    {
        public void Dispose()
        {
            if (entered)
                _ = Set(Normal);
        }
    }
}
