using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Operations begin on the thread of whoever called, since most are over sooner than another thread wakes. What turns out to be long leaves
/// it here: the caller has other things to do meanwhile, such as hearing Ctrl-C.
/// </summary>
static class Offload
{
    /// <summary>Goes on on a thread of the pool; where that is the case already, or the thread is nobody's, at once.</summary>
    public static System.Runtime.CompilerServices.ConfiguredTaskAwaitable LeaveCallerAsync() =>
        Task.CompletedTask.ConfigureAwait(Thread.CurrentThread.IsThreadPoolThread || PatientThread.IsCurrent ? ConfigureAwaitOptions.None : ConfigureAwaitOptions.ForceYielding);
}
