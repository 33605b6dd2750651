using System.Runtime.CompilerServices;

namespace S3dlio.IO;

/// <summary>
/// Operations begin on the caller's thread, because most of them end before another thread could start. Long work moves to the thread pool,
/// so that the caller's thread stays free, for example to handle Ctrl-C. It asks the thread, since no caller knows on which one the work
/// has come to be (docs/architecture.md, "Which thread may wait").
/// </summary>
static class ThreadSwitch
{
    /// <summary>Continues on the thread pool. Does nothing on a thread of the pool and on a <see cref="BlockingThread"/>.</summary>
    public static ConfiguredTaskAwaitable ToPoolAsync() => Task.CompletedTask.ConfigureAwait(
        Thread.CurrentThread.IsThreadPoolThread || BlockingThread.IsCurrent
            ? ConfigureAwaitOptions.None
            : ConfigureAwaitOptions.ForceYielding);
}
