using Microsoft.Win32.SafeHandles;
using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// The file of an object that is being written, beside its target under a name that listings leave out. <see cref="CommitAsync"/> gives it
/// the target's name; <see cref="Dispose"/> without a commit deletes it.
/// </summary>
sealed class TemporaryFile : IDisposable
{
    readonly WriteTarget _target;
    readonly bool _durable;
    readonly CancellationToken _cancel;
    readonly List<string> _made = [];
    string? _path;

    /// <param name="target">What it will become.</param>
    /// <param name="durable">Whether the commit flushes.</param>
    /// <param name="cancel">After a cancellation the file is closed on another thread: freeing its blocks can take long.</param>
    public TemporaryFile(in WriteTarget target, bool durable, CancellationToken cancel)
    {
        _target = target;
        _durable = durable;
        _cancel = cancel;
        string directory = LocalPath.Parent(target.Path);
        for (int tries = 0; ; tries++)
        {
            string path = $"{directory}/{TemporaryFiles.NewName()}";
            int errno = Interop.Open(path, Interop.ReadWrite | Interop.Create | Interop.Exclusive, target.Mode, out var handle);
            if (errno == 0)
            {
                Handle = handle!;
                _path = path;
                break;
            }
            // also when a concurrent delete of the tree removed the directory again
            if (errno == Errno.ENOENT && tries < Directories.MostTries)
                Directories.Make(target.Uri, directory, _made);
            else if (errno != Errno.EEXIST)
                throw LocalError.Error(errno, target.Uri, "create a file in its directory");
        }
        // where locks are not supported, no process removes orphans either
        _ = Interop.TryLock(Handle);
    }

    public SafeFileHandle Handle { get; }

    public string Uri => _target.Uri;

    public bool IsDurable => _durable;

    /// <summary>Makes the object appear under its name, with its record, in one step.</summary>
    /// <param name="key">The object's.</param>
    /// <param name="record">What is kept with it.</param>
    /// <param name="options">Its conditions.</param>
    /// <param name="patience">How long the lock of the file that is replaced is waited for, where there is a condition.</param>
    /// <param name="cancel">Until the object has its name.</param>
    public async ValueTask<ObjectMeta> CommitAsync(
        string key, FileAttributeRecord record, PutOptions options, TimeSpan patience, CancellationToken cancel)
    {
        record.Write(Handle, Uri);
        // The kernel's clock ticks every few milliseconds and inode numbers are used again, so two versions of the same size could
        // otherwise have the same time and number, and then the same ETag.
        var now = DateTimeOffset.UtcNow;
        long ticks = now.Ticks % TimeSpan.TicksPerSecond;
        LocalError.Check(Interop.SetModified(Handle, now.ToUnixTimeSeconds(), ticks * 100), Uri, "set the time of the file");
        LocalError.Check(Interop.Status(Handle, out var status), Uri, "look at the written file");
        InheritedAccess.Give(Handle, status, _target);
        LocalError.Check(Interop.CloseCopy(Handle), Uri, "write");
        if (_durable)
            LocalError.Check(Interop.Flush(Handle), Uri, "flush the data to the device");
        // a flush takes long: no new object where the call was cancelled meanwhile
        cancel.ThrowIfCancellationRequested();
        LocalError.Check(await PlaceAsync(_path!, _target, options, patience, cancel).ConfigureAwait(false), Uri, "give the file its name");
        _path = null;
        // The lock told that the temporary is alive; at the object, writers with a condition take turns by it. Not left to the closing,
        // which does not end it while a process that was forked meanwhile lives.
        _ = Interop.Unlock(Handle);
        if (_durable)
            SyncNames(_target, _made);
        return LocalFile.Meta(key, status, record);
    }

    /// <summary>Gives <paramref name="from"/> the target's name, as far as the conditions allow.</summary>
    /// <returns>The rename's errno.</returns>
    public static async ValueTask<int> PlaceAsync(
        string from, WriteTarget target, PutOptions options, TimeSpan patience, CancellationToken cancel)
    {
        if (options.IfMatch is not null)
        {
            // Writers with a condition take turns at the file they mean to replace. One without a condition, or another program, may
            // still come in between the comparison and the rename: POSIX has no such call.
            using var held = await FileLock.TakeAsync(target.Uri, target.Path, patience, cancel).ConfigureAwait(false);
            LocalError.Check(Interop.Status(target.Path, follow: false, out var current), target.Uri, "replace");
            LocalFile.CheckMatch(target.Uri, options.IfMatch, current);
            cancel.ThrowIfCancellationRequested();
            return Interop.Rename(from, target.Path);
        }
        // the caller may have gone: where a file system hangs, any call before this one can take any time
        cancel.ThrowIfCancellationRequested();
        int errno = options.Overwrite ? Interop.Rename(from, target.Path) : Interop.RenameNew(from, target.Path);
        if (errno == Errno.EEXIST && !options.Overwrite)
            throw StoreException.Exists(target.Uri);
        return errno;
    }

    /// <summary>Has the target's name on the device, and those of the directories made for it.</summary>
    public static void SyncNames(in WriteTarget target, List<string> made)
    {
        Directories.Sync(target.Uri, LocalPath.Parent(target.Path));
        foreach (string directory in made)
            Directories.Sync(target.Uri, LocalPath.Parent(directory));
    }

    public void Dispose()
    {
        // unlinked while still locked: no sweeper can meet it in between
        if (_path is not null)
            _ = Interop.Unlink(_path);
        bool abandoned = _path is not null;
        _path = null;
        // The name is gone. Closing gives the blocks back, which for gigabytes on ext4 takes a fifth of a second; a Ctrl-C is not held up
        // by it.
        if (abandoned && _cancel.IsCancellationRequested)
            ThreadPool.UnsafeQueueUserWorkItem(static handle => handle.Dispose(), Handle, preferLocal: false);
        else
            Handle.Dispose();
    }
}
