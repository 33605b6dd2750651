using System.Runtime.InteropServices;

namespace S3dlio.IO;

/// <summary>Threads' priorities and programs. What these return is libc's own.</summary>
static partial class Interop
{
    internal struct PollFd
    {
        public int Fd;
        public short Events, Happened;
    }

    /// <summary>The user that this process acts as.</summary>
    [LibraryImport("libc")]
    internal static partial uint geteuid();

    [LibraryImport("libc")]
    internal static partial int nice(int increment);

    [LibraryImport("libc")]
    internal static partial int sched_getscheduler(int thread);

    [LibraryImport("libc")]
    internal static partial int sched_setscheduler(int thread, int policy, ref int parameter);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int pipe2([Out] int[] ends, int flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn(
        out int process, string path, ref byte actions, ref byte attributes, string?[] arguments, nint environment);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_init(ref byte actions);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_destroy(ref byte actions);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_adddup2(ref byte actions, int fd, int newFd);

    [LibraryImport("libc", StringMarshallingCustomType = typeof(PathText.Marshaller))]
    internal static partial int posix_spawn_file_actions_addopen(ref byte actions, int fd, string path, int flags, uint mode);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_addclosefrom_np(ref byte actions, int from);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_init(ref byte attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_destroy(ref byte attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setflags(ref byte attributes, short flags);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigmask(ref byte attributes, ref byte signals);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigdefault(ref byte attributes, ref byte signals);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int poll(ref PollFd wait, ulong count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int process, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitpid(int process, out int status, int options);
}
