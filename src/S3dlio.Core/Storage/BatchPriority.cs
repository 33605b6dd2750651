using System.Runtime.InteropServices;

namespace S3dlio.Storage;

/// <summary>
/// The current thread as one of batch work (SCHED_BATCH) for as long as this lives: when it wakes it takes the processor from nobody. A
/// save behind a training wakes thousands of times, with each answer of the device, and took a tenth of the training's time that way. The
/// share of a processor is what it was, so that nobody who waits for the save waits for ever. What the process chose itself stays.
/// </summary>
static partial class BatchPriority
{
    const int Normal = 0, Batch = 3;

    /// <summary>A quarter of a processor beside a thread that wants all of it, which is what a save needs to keep up with its disk.</summary>
    const int Niceness = 6;

    /// <summary>Does <paramref name="work"/>, which ends before it returns its task, in a thread of its own whose share of a busy processor is small.</summary>
    public static Task<T> Run<T>(Func<ValueTask<T>> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            _ = Set(Batch);
            // a thread cannot take it back, which is why this one ends with the work; refused in some sandboxes, and then it goes on as others do
            _ = setpriority(0, 0, Niceness);
            try
            {
                done.SetResult(work().AsTask().GetAwaiter().GetResult());
            }
            catch (Exception error)
            {
                done.SetException(error);
            }
        }, StackLength) { IsBackground = true, Name = "s3dlio behind" }.UnsafeStart();
        return done.Task;
    }

    const int StackLength = 1 << 20;

    public static Scope Enter(bool wanted = true) => new(wanted && sched_getscheduler(0) == Normal && Set(Batch));

    static unsafe bool Set(int policy)
    {
        // its one field: the priority of real-time threads
        int none = 0;
        return sched_setscheduler(0, policy, &none) == 0;
    }

    [LibraryImport("libc")]
    private static partial int setpriority(int which, uint who, int niceness);

    [LibraryImport("libc")]
    private static partial int sched_getscheduler(int thread);

    [LibraryImport("libc")]
    private static unsafe partial int sched_setscheduler(int thread, int policy, int* parameter);

    public readonly ref struct Scope(bool entered)
    {
        public void Dispose()
        {
            if (entered)
                _ = Set(Normal);
        }
    }
}
