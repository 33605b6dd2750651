using System.Buffers;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// The names under which objects are made, and what becomes of those that a dead process left. A temporary is locked (flock) while its
/// maker lives, and the kernel drops the lock with the process, so a free lock means an orphan, whichever container's process id the name
/// holds. Some network file systems keep locks to the host (NFS with <c>local_lock</c> or <c>nolock</c>): there another host's maker looks
/// dead. So the name tells the hosts apart, and those of others are given a day.
/// </summary>
static class TemporaryFiles
{
    const string Prefix = ".s3dlio-";
    const string Suffix = ".tmp";
    const int RandomDigits = 16;

    static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>A maker needs a moment between creating the file and locking it.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    /// <summary>How long a file of another host, or of this one before it was started again, must have been left unwritten.</summary>
    public static readonly TimeSpan ForeignGrace = TimeSpan.FromDays(1);

    /// <summary>This start of this host, the same in all its containers; 0 where it cannot be told.</summary>
    static readonly uint Host = ReadHost();

    public static string NewName() =>
        string.Create(CultureInfo.InvariantCulture,
            $"{Prefix}{Environment.ProcessId}-{Host:x8}{(uint)Random.Shared.NextInt64():x8}{Suffix}");

    /// <summary>True for the names of <see cref="NewName"/> and no others, so that no user's file is ever taken for one.</summary>
    public static bool IsName(ReadOnlySpan<char> name)
    {
        if (!name.StartsWith(Prefix, StringComparison.Ordinal) || !name.EndsWith(Suffix, StringComparison.Ordinal))
            return false;
        name = name[Prefix.Length..^Suffix.Length];
        int dash = name.IndexOf('-');
        return dash > 0
            && name[..dash].IndexOfAnyExceptInRange('0', '9') < 0
            && name[(dash + 1)..] is { Length: RandomDigits } random
            && random.IndexOfAnyExcept(HexDigits) < 0;
    }

    /// <summary>
    /// Removes the orphans of a directory. What cannot be read or removed stays: this is housekeeping, never a reason to fail.
    /// </summary>
    /// <param name="directory">The directory itself; those below are left alone.</param>
    /// <param name="grace">How long a file of this host must have been left unwritten.</param>
    /// <returns>How many were removed.</returns>
    public static int Sweep(string directory, TimeSpan grace)
    {
        if (Interop.Open(directory, Interop.ReadOnly | Interop.Directory, 0, out var handle) != 0)
            return 0;
        using (handle)
            return Interop.ReadDirectory(handle!, out var entries) == 0 ? Sweep(handle!, entries, grace) : 0;
    }

    /// <summary>The same of an open directory that was read.</summary>
    public static int Sweep(SafeFileHandle directory, List<(string Name, EntryType Type)> entries, TimeSpan grace)
    {
        int removed = 0;
        foreach (var (name, type) in entries)
        {
            if (type is not (EntryType.File or EntryType.Unknown) || !IsName(name))
                continue;
            if (Interop.OpenAt(directory, name, Interop.ReadOnly | Interop.NonBlocking | Interop.NoTerminal, out var handle) != 0)
                continue;
            using (handle)
            {
                if (Interop.Status(handle!, out var status) == 0
                    && status.IsRegular
                    && DateTimeOffset.UtcNow - status.LastModified >= (IsOurs(name) || grace > ForeignGrace ? grace : ForeignGrace)
                    && Interop.TryLock(handle!) == 0
                    && Interop.UnlinkAt(directory, name, isDirectory: false) == 0)
                    removed++;
            }
        }
        return removed;
    }

    static bool IsOurs(string name) => Host != 0 && name.AsSpan(name.IndexOf('-', Prefix.Length) + 1).StartsWith(
        Host.ToString("x8", CultureInfo.InvariantCulture), StringComparison.Ordinal);

    static uint ReadHost()
    {
        try
        {
            return Hashing.Checksum.Of(File.ReadAllBytes("/proc/sys/kernel/random/boot_id")).Value;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
