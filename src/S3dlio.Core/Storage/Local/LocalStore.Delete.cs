using S3dlio.IO;

namespace S3dlio.Storage.Local;

public sealed partial class LocalStore
{
    /// <remarks>A symbolic link is removed, not what it points to. Devices, FIFOs and sockets stay: no put ever made them.</remarks>
    public override ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        const string operation = "delete";
        var paths = new string[keys.Count];
        for (int i = 0; i < paths.Length; i++)
            paths[i] = _path.Object(keys[i]);
        var failures = new List<DeleteFailure>();
        for (int i = 0; i < paths.Length; i++)
        {
            cancel.ThrowIfCancellationRequested();
            string uri = Root.Child(keys[i]);
            try
            {
                int errno = Interop.Status(paths[i], follow: false, out var status);
                if (errno == 0)
                {
                    if (!status.IsLink)
                        LocalFile.CheckRegular(uri, status, operation);
                    errno = Interop.Unlink(paths[i]);
                }
                // below a file there is nothing either
                LocalError.Check(errno is Errno.ENOENT or Errno.ENOTDIR ? 0 : errno, uri, operation);
            }
            catch (StoreException error)
            {
                failures.Add(new DeleteFailure(keys[i], error));
            }
        }
        return ValueTask.FromResult<IReadOnlyList<DeleteFailure>>(failures);
    }

    public override ValueTask MakeDirectoryAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Directory(key);
        string uri = Root.Child(key);
        var made = new List<string>();
        Directories.Make(uri, path, made);
        if (_options.Durable)
        {
            foreach (string directory in made)
                Directories.Sync(uri, LocalPath.Parent(directory));
        }
        return ValueTask.CompletedTask;
    }

    /// <remarks>Directories with something in them stay, and so do symbolic links to directories.</remarks>
    public override ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Directory(key);
        string uri = Root.Child(key);
        int errno = Interop.Status(path, follow: false, out var status);
        if (errno is Errno.ENOENT or Errno.ENOTDIR)
            return ValueTask.CompletedTask;
        LocalError.Check(errno, uri, "remove the directory");
        if (status.IsLink)
            return ValueTask.CompletedTask;
        if (!status.IsDirectory)
            throw LocalError.Error(Errno.ENOTDIR, uri, "remove the directory");
        var done = Remove(uri, path, withObjects: false, null, cancel);
        return done.First is null ? ValueTask.CompletedTask : throw done.First;
    }

    /// <remarks>
    /// Links are removed, never followed, the path's own last name included; the store's own directory may be one. Devices, FIFOs and
    /// sockets stay, and so do the directories that hold them.
    /// </remarks>
    public override ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel)
    {
        const string operation = "delete";
        cancel.ThrowIfCancellationRequested();
        string key = path.TrimEnd('/');
        string file = _path.Directory(key);
        string uri = Root.Child(key);
        if (file == "/")
            throw StoreException.InvalidArgument(uri, "this is the root of the file system; name the directory that is to be deleted");
        bool isRoot = file.Length == _path.RootPath.Length;
        int errno = Interop.Status(file, follow: isRoot, out var status);
        var nothing = new TreeDelete(0, 0, null);
        if (errno is Errno.ENOENT or Errno.ENOTDIR)
            return ValueTask.FromResult<TreeDelete?>(nothing);
        LocalError.Check(errno, uri, operation);
        if (!status.IsDirectory)
        {
            if (status.IsLink && key.Length < path.Length)
                throw new StoreException(
                    ErrorKind.NotDirectory, uri,
                    "cannot delete what is below: a symbolic link stands there, which is not followed. Delete it without the '/' at its "
                    + "end, or what it points to by its own path");
            // below a file there is nothing
            if (key.Length < path.Length || isRoot)
                return ValueTask.FromResult<TreeDelete?>(nothing);
            if (!status.IsLink)
                LocalFile.CheckRegular(uri, status, operation);
        }
        return ValueTask.FromResult<TreeDelete?>(
            isRoot && IsLink(file) ? RemoveContent(uri, file, progress, cancel) : Remove(uri, file, withObjects: true, progress, cancel));
    }

    static bool IsLink(string path) => Interop.Status(path, follow: false, out var status) == 0 && status.IsLink;

    static TreeDelete RemoveContent(string uri, string path, IProgress<long> progress, CancellationToken cancel)
    {
        LocalError.Check(Interop.Open(path, Interop.ReadOnly | Interop.Directory, 0, out var directory), uri, "open the directory");
        using (directory)
            return TreeRemoval.RemoveContent(uri, directory!, withObjects: true, progress, cancel);
    }

    static TreeDelete Remove(string uri, string path, bool withObjects, IProgress<long>? progress, CancellationToken cancel)
    {
        int errno = Interop.Open(LocalPath.Parent(path), Interop.ReadOnly | Interop.Directory | Interop.PathOnly, 0, out var parent);
        if (errno is Errno.ENOENT or Errno.ENOTDIR)
            return new TreeDelete(0, 0, null);
        LocalError.Check(errno, uri, "open the directory above");
        using (parent)
            return TreeRemoval.Remove(uri, parent!, path[(path.LastIndexOf('/') + 1)..], withObjects, progress, cancel);
    }

    public override ValueTask FlushDirectoryAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Directory(key);
        if (Interop.Status(path, follow: true, out var status) == 0 && status.IsDirectory)
            Directories.Sync(Root.Child(key), path);
        return ValueTask.CompletedTask;
    }

    public override ValueTask SweepDirectoryAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        TemporaryFiles.Sweep(_path.Directory(key), TemporaryFiles.Grace);
        return ValueTask.CompletedTask;
    }

    public override ValueTask<bool> IsDirectoryAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        int errno = Interop.Status(_path.Directory(key), follow: true, out var status);
        if (errno is Errno.ENOENT or Errno.ENOTDIR)
            return ValueTask.FromResult(false);
        LocalError.Check(errno, Root.Child(key), "look at the directory");
        return ValueTask.FromResult(status.IsDirectory);
    }
}
