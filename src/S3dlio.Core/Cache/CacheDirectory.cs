using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// The directory that a cache lies in, shared by all processes of a user on this machine. It holds nothing that is not elsewhere: whatever
/// is wrong with it is a miss. One object of a process for each directory: record locks are the process's, so nobody else may
/// open its lock files.
/// </summary>
sealed class CacheDirectory
{
    const uint Private = 0x1c0, PrivateFile = 0x180, WritableByOthers = 0x12;
    const string Version = "s3dlio cache 1\n";

    /// <summary>How long a directory whose device failed is left alone.</summary>
    static readonly TimeSpan Rest = TimeSpan.FromSeconds(60);

    /// <summary>A file in the making is written in one go: one that is older was left by a process that died.</summary>
    static readonly TimeSpan OldTemporary = TimeSpan.FromSeconds(60);

    static readonly Dictionary<(ulong, ulong), CacheDirectory> Known = [];
    static readonly Lock Gate = new();

    readonly (ulong, ulong) _identity;
    readonly uint _user = Interop.geteuid();
    long _restUntil, _sequence, _swept;

    CacheDirectory(string path, (ulong, ulong) identity)
    {
        Path = path;
        _identity = identity;
        MakeDirectory("entries");
        MakeDirectory("tmp");
        CheckVersion();
        Tokens = new WriteTokens(OpenOwn("tokens", 0));
        Flights = new Flights(OpenOwn("LOCK.fill", 0), () => Queue!.Noted);
        Queue = new EvictionQueue(this);
        Sweep();
    }

    public string Path { get; }

    public WriteTokens Tokens { get; }

    public Flights Flights { get; }

    public EvictionQueue Queue { get; }

    public CacheCounters Counters { get; } = new();

    /// <summary>The device failed a moment ago: everything goes to the store.</summary>
    public bool IsResting => Volatile.Read(ref _restUntil) is var until && until != 0 && Environment.TickCount64 < until;

    /// <summary>The directory of that path; made where there is none.</summary>
    /// <exception cref="StoreException">It cannot be made or used, or is open to other users.</exception>
    public static CacheDirectory Open(string path)
    {
        lock (Gate)
        {
            Make(path);
            var status = Look(path);
            if (Known.TryGetValue(status.Identity, out var found))
                return found;
            // those that were deleted keep their files open for nobody; whoever still reads in one holds it
            foreach (var gone in Known.Where(static one => one.Value.IsDeleted).ToArray())
                Known.Remove(gone.Key);
            try
            {
                return Known[status.Identity] = new CacheDirectory(path, status.Identity);
            }
            catch (DiskException error)
            {
                throw new StoreException(error.IsOutOfSpace ? ErrorKind.OutOfSpace : ErrorKind.Unavailable, path,
                    $"the cache cannot be used: {error.Message}. Give another directory, or leave out the option 'cache'", cause: error);
            }
        }
    }

    /// <summary>The same of one that is there already.</summary>
    /// <exception cref="StoreException">NotFound: no cache lies there. Otherwise as <see cref="Open"/>.</exception>
    public static CacheDirectory OpenExisting(string path) => Interop.Status($"{path}/VERSION", follow: false, out _) == 0
        ? Open(path) : throw new StoreException(ErrorKind.NotFound, path, "no cache lies there");

    /// <summary>True while the path leads to this directory.</summary>
    public bool IsCurrent => Interop.Status(Path, follow: true, out var now) == 0 && now.Identity == _identity;

    /// <summary>
    /// True once it is gone for good. One that was renamed, or cannot be reached for now, is not: whoever opened it a second time would
    /// lose his locks when the first object's files are closed.
    /// </summary>
    public bool IsDeleted => !IsCurrent && Tokens.IsDeleted;

    /// <summary>Opens an entry for reading; null where there is none that could be used.</summary>
    public SafeFileHandle? TryOpen(EntryId id, out long length)
    {
        length = 0;
        int errno = Interop.Open(PathOf(id), Interop.ReadOnly | Interop.NoFollow | Interop.NonBlocking, 0, out var handle);
        if (errno != 0)
        {
            Judge(errno);
            return null;
        }
        if (Interop.Status(handle!, out var status) == 0 && IsOurs(status))
        {
            length = status.Size;
            return handle;
        }
        handle!.Dispose();
        return null;
    }

    public bool Has(EntryId id) => Interop.Status(PathOf(id), follow: false, out var status) == 0 && IsOurs(status);

    /// <summary>Reads all that an entry has from a place on, as far as the buffer goes.</summary>
    /// <returns>False where the device failed.</returns>
    public bool TryRead(SafeFileHandle handle, Span<byte> buffer, long offset, out int count)
    {
        int errno = Interop.Read(handle, buffer, offset, out count);
        Judge(errno);
        return errno == 0;
    }

    /// <summary>Puts an entry in its place, whole, whatever was there before. Failing is no failure: it is not kept then.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="pieces">Its bytes.</param>
    /// <param name="length">How many.</param>
    /// <param name="limits">What the cache may take.</param>
    public bool TryPublish(EntryId id, IReadOnlyList<ReadOnlyMemory<byte>> pieces, long length, CacheOptions limits)
    {
        if (IsResting || !Queue.Admit(length, limits))
            return false;
        string temporary = string.Create(CultureInfo.InvariantCulture,
            $"{Path}/tmp/{Environment.ProcessId}-{Interlocked.Increment(ref _sequence)}-{Random.Shared.Next():x8}");
        int errno = Interop.Open(temporary, Interop.ReadWrite | Interop.Create | Interop.Exclusive | Interop.NoFollow, PrivateFile,
            out var handle);
        if (errno == 0)
        {
            using (handle)
                errno = Interop.Write(handle!, pieces, 0);
            // noted before it is there: what is there and not noted would never be evicted
            EvictionQueue.QueuePlace mark = default;
            if (errno == 0)
                errno = Queue.Note(id, length, out mark);
            if (errno == 0)
                errno = Place(temporary, id);
            // whoever evicts may have come to the note while the entry was not there yet
            if (errno == 0 && Queue.IsLost(mark))
                errno = Queue.Note(id, length, out _);
            if (errno != 0)
                _ = Interop.Unlink(temporary);
        }
        if (errno != 0)
        {
            Interlocked.Increment(ref Counters.FillsFailed);
            Judge(errno);
            return false;
        }
        Interlocked.Increment(ref Counters.Fills);
        Queue.Trim(limits);
        SweepNowAndThen();
        return true;
    }

    public void Remove(EntryId id) => _ = Interop.Unlink(PathOf(id));

    /// <summary>Every entry, in no order.</summary>
    public IEnumerable<(EntryId Id, FileStatus Status)> Entries()
    {
        for (int i = 0; i < 256; i++)
        {
            string folder = $"{Path}/entries/{i:x2}";
            if (Interop.ReadDirectory(folder, out var names) != 0)
                continue;
            foreach (var (name, _) in names)
            {
                if (EntryId.TryParse(name, out var id) && Interop.Status($"{folder}/{name}", follow: false, out var status) == 0
                    && status.IsRegular)
                    yield return (id, status);
            }
        }
    }

    /// <summary>Opens a file of the directory's own that only this user may use; made where there is none.</summary>
    /// <exception cref="DiskException">It cannot be had.</exception>
    public SafeFileHandle OpenOwn(string name, int flags)
    {
        string path = $"{Path}/{name}";
        LocalDisk.Check(Interop.Open(path, Interop.ReadWrite | Interop.Create | Interop.NoFollow | Interop.NonBlocking | flags, PrivateFile,
            out var handle), path, "open");
        LocalDisk.Check(Interop.Status(handle!, out var status), path, "look at");
        if (IsOurs(status))
            return handle!;
        handle!.Dispose();
        throw new StoreException(ErrorKind.PermissionDenied, path,
            "the file belongs to another user, or is no regular file; remove it, or give the cache another directory");
    }

    /// <summary>Takes note of a failure of the device, after which the directory is left alone for a while.</summary>
    public void Judge(int errno)
    {
        if (errno is Errno.EIO or Errno.ESTALE or Errno.ENODEV or Errno.ENXIO or Errno.EROFS)
        {
            Volatile.Write(ref _restUntil, Environment.TickCount64 + (long)Rest.TotalMilliseconds);
            Interlocked.Increment(ref Counters.Rests);
        }
    }

    public string PathOf(EntryId id) => $"{Path}/entries/{(byte)(id.High >> 56):x2}/{id}";

    int Place(string temporary, EntryId id)
    {
        string path = PathOf(id);
        int errno = Interop.Rename(temporary, path);
        if (errno != Errno.ENOENT)
            return errno;
        _ = Interop.MakeDirectory(path[..path.LastIndexOf('/')], Private);
        return Interop.Rename(temporary, path);
    }

    bool IsOurs(in FileStatus status) => status.IsRegular && status.User == _user;

    void SweepNowAndThen()
    {
        long now = Environment.TickCount64, last = Volatile.Read(ref _swept);
        if (now - last > OldTemporary.TotalMilliseconds && Interlocked.CompareExchange(ref _swept, now, last) == last)
            Sweep();
    }

    /// <summary>Removes what processes that died left half written.</summary>
    void Sweep()
    {
        if (Interop.ReadDirectory($"{Path}/tmp", out var names) != 0)
            return;
        foreach (var (name, _) in names)
        {
            string path = $"{Path}/tmp/{name}";
            if (Interop.Status(path, follow: false, out var status) == 0 && DateTimeOffset.UtcNow - status.LastModified > OldTemporary)
                _ = Interop.Unlink(path);
        }
    }

    void MakeDirectory(string name)
    {
        string path = $"{Path}/{name}";
        int errno = Interop.MakeDirectory(path, Private);
        if (errno is not (0 or Errno.EEXIST))
            throw new DiskException(errno, path, "make the directory");
        LocalDisk.Check(Interop.Status(path, follow: false, out var status), path, "look at");
        if (!status.IsDirectory || status.User != _user || (status.Permissions & WritableByOthers) != 0)
            throw new StoreException(ErrorKind.PermissionDenied, path,
                $"a directory that only this user may write to was expected, found {status.TypeName}"
                + (status.IsDirectory ? $" of user {status.User} with mode {Octal(status.Permissions)}" : "")
                    + "; remove it, or give the cache another directory");
    }

    void CheckVersion()
    {
        string path = $"{Path}/VERSION";
        using var handle = OpenOwn("VERSION", 0);
        var text = new byte[256];
        LocalDisk.Check(Interop.Read(handle, text, 0, out int count), path, "read");
        string found = Encoding.UTF8.GetString(text, 0, count);
        if (found == Version)
            return;
        if (found.Length > 0)
            throw new StoreException(ErrorKind.InvalidArgument, path,
                $"the directory holds '{found.Trim()}', '{Version.Trim()}' was expected: it is of another version or no cache. "
                + "Give another directory");
        // a directory with files of others in it must not become ours
        LocalDisk.Check(Interop.Write(handle, Encoding.UTF8.GetBytes(Version), 0), path, "write");
    }

    static void Make(string path)
    {
        if (Interop.Status(path, follow: true, out _) == 0)
            return;
        string above = System.IO.Path.GetDirectoryName(path) ?? "/";
        try
        {
            Directory.CreateDirectory(above);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Refused(path, error is UnauthorizedAccessException ? ErrorKind.PermissionDenied : ErrorKind.Unavailable, error.Message,
                error);
        }
        int errno = Interop.MakeDirectory(path, Private);
        if (errno is not (0 or Errno.EEXIST))
            throw Refused(path, errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? ErrorKind.PermissionDenied
                : errno is Errno.ENOSPC or Errno.EDQUOT ? ErrorKind.OutOfSpace : ErrorKind.Unavailable, Interop.Describe(errno), null);
    }

    static FileStatus Look(string path)
    {
        int errno = Interop.Status(path, follow: true, out var status);
        if (errno != 0)
            throw Refused(path, ErrorKind.Unavailable, Interop.Describe(errno), null);
        if (!status.IsDirectory)
            throw Refused(path, ErrorKind.NotDirectory, $"{status.TypeName} stands there", null);
        if (status.User != Interop.geteuid())
            throw Refused(path, ErrorKind.PermissionDenied,
                $"it belongs to user {status.User}, this process acts as {Interop.geteuid()}, "
                + "and a cache is believed what it says: each user needs one of their own", null);
        if ((status.Permissions & WritableByOthers) != 0)
            throw Refused(path, ErrorKind.PermissionDenied,
                $"its mode is {Octal(status.Permissions)}, so other users may write to it, "
                + "and a cache is believed what it says: chmod 700 it", null);
        return status;
    }

    static StoreException Refused(string path, ErrorKind kind, string why, Exception? cause) =>
        new(kind, path, $"the directory cannot be used as a cache: {why}. Give another directory, or leave out the option 'cache'",
            cause: cause);

    static string Octal(uint mode) => Convert.ToString((int)mode, 8);

    [SuppressMessage("Design", "CA1051", Justification = "counters that are only added to")]
    internal sealed class CacheCounters
    {
        public long Hits, HitBytes, Misses, MissBytes, Waits, Fills, FillsFailed, Damaged, Evicted, EvictedBytes, Validations, Rests;
    }
}
