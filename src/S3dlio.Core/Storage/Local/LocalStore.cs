using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// Files below a directory, through the page cache (<c>file://</c>) or past it (<c>direct://</c>). The directory need not exist until
/// something is written. All I/O runs on the calling thread, which is to be a pool thread.
/// </summary>
public sealed partial class LocalStore : ObjectStore
{
    readonly LocalPath _path;
    readonly StoreOptions _options;
    readonly bool _direct;
    readonly NearDirectories _near;

    public LocalStore(StoreUri root, StoreOptions options)
    {
        Root = root;
        _path = new LocalPath(root);
        _options = options;
        _direct = root.Scheme == "direct";
        _near = new NearDirectories(_path.Directory, LocalMounts.OfThisProcess);
    }

    public override StoreUri Root { get; }

    public override bool IsNear => true;

    public override bool IsQuickAt(string key) => _near.Holds(key);

    public override bool IsBrief(long length, PutOptions options) => length <= BriefLength && !IsDurable(options);

    /// <summary>How long the lock of a file is waited for.</summary>
    internal TimeSpan LockPatience { get; init; } = FileLock.Patience;

    /// <summary>For tests: stands in for a file system without O_DIRECT.</summary>
    internal bool DirectIsRefused { get; init; }

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        _near.Learn(key);
        return ValueTask.FromResult<ObjectReader>(OpenReader(key, uri, path, options));
    }

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        _near.Learn(key);
        using var handle = LocalFile.Open(uri, path, out var status);
        return ValueTask.FromResult(LocalFile.Meta(key, status, FileAttributeRecord.Read(handle, uri)));
    }

    LocalReader OpenReader(string key, string uri, string path, ReadOptions options)
    {
        var handle = LocalFile.Open(uri, path, out var status);
        try
        {
            LocalFile.CheckMatch(uri, options.IfMatch, status);
            var record = FileAttributeRecord.Read(handle, uri);
            var meta = LocalFile.Meta(key, status, record);
            bool direct = UseDirect(handle, uri);
            LocalFile.CheckEmpty(uri, handle, status);
            return direct
                ? new DirectReader(uri, handle, meta, record, status.DirectAlignment)
                : new LocalReader(uri, handle, meta, record);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Turns O_DIRECT on where the address asks for it.</summary>
    /// <returns>False for the page cache.</returns>
    bool UseDirect(SafeFileHandle handle, string uri)
    {
        if (!_direct)
            return false;
        int errno = DirectIsRefused ? Errno.EINVAL : Interop.SetDirect(handle);
        if (errno == 0)
            return true;
        if (errno != Errno.EINVAL)
            throw LocalError.Error(errno, uri, "turn O_DIRECT on");
        if (_options.DirectFallback)
        {
            Events.TellOnce($"direct {Root}", EventLevel.Warning,
                $"{uri}: the file system refuses O_DIRECT; the page cache is used, as direct_fallback allows");
            return false;
        }
        throw StoreException.InvalidArgument(uri,
            "the file system refuses O_DIRECT; use file:// or set the option direct_fallback to go through the page cache");
    }

    bool IsDurable(PutOptions options) => options.Durable ?? _options.Durable;
}
