using System.Text;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// Removes a directory tree from the leaves up, by descriptors: every name is looked up in the open directory that it was read from and no
/// link is followed, so nothing outside of the tree is touched, whatever is swapped in it meanwhile. Names are bytes, whether they are
/// UTF-8 or not.
/// </summary>
sealed class TreeRemoval
{
    /// <summary>Levels whose directories are kept open. Those above are opened again by <c>..</c> and must be the same as before.</summary>
    const int MostOpen = 32;

    readonly string _uri;
    readonly bool _withObjects;
    readonly IProgress<long>? _progress;
    readonly CancellationToken _cancel;
    readonly List<Level> _levels = [];
    long _deleted, _failed;
    StoreException? _first;

    TreeRemoval(string uri, bool withObjects, IProgress<long>? progress, CancellationToken cancel) =>
        (_uri, _withObjects, _progress, _cancel) = (uri, withObjects, progress, cancel);

    /// <summary>Removes what stands under a name of a directory.</summary>
    /// <param name="uri">It, as the user names it.</param>
    /// <param name="parent">The directory.</param>
    /// <param name="name">The name in it.</param>
    /// <param name="withObjects">False leaves files and links, and so the directories that have some; what dead writers left goes in any
    /// case.</param>
    /// <param name="progress">Gets the number of objects as they are deleted.</param>
    /// <param name="cancel">Is heard between two entries.</param>
    public static TreeDelete Remove(
        string uri, SafeFileHandle parent, string name, bool withObjects, IProgress<long>? progress, CancellationToken cancel)
    {
        var removal = new TreeRemoval(uri, withObjects, progress, cancel);
        try
        {
            removal.Take(parent, name, EntryType.Unknown);
            removal.Walk(parent);
        }
        finally
        {
            foreach (var level in removal._levels)
                level.Handle?.Dispose();
        }
        return new TreeDelete(removal._deleted, removal._failed, removal._first);
    }

    /// <summary>Removes what is in an open directory, which stays.</summary>
    public static TreeDelete RemoveContent(
        string uri, SafeFileHandle directory, bool withObjects, IProgress<long>? progress, CancellationToken cancel)
    {
        var removal = new TreeRemoval(uri, withObjects, progress, cancel);
        int errno = Interop.ReadDirectory(directory, out var entries);
        LocalError.Check(errno, uri, "read the directory");
        foreach (var (name, type) in entries)
        {
            try
            {
                removal.Take(directory, name, type);
                removal.Walk(directory);
            }
            finally
            {
                foreach (var level in removal._levels)
                    level.Handle?.Dispose();
                removal._levels.Clear();
            }
        }
        TemporaryFiles.Sweep(directory, entries, TemporaryFiles.Grace);
        return new TreeDelete(removal._deleted, removal._failed, removal._first);
    }

    void Walk(SafeFileHandle root)
    {
        while (_levels.Count > 0)
        {
            _cancel.ThrowIfCancellationRequested();
            var level = _levels[^1];
            if (level.Next < level.Entries.Count)
            {
                var (name, type) = level.Entries[level.Next++];
                Take(level.Handle!, name, type);
            }
            else
            {
                Leave(level, root);
            }
        }
    }

    /// <summary>Removes an entry, or goes into it.</summary>
    void Take(SafeFileHandle directory, string name, EntryType type)
    {
        // what a file system does not tell, and what was given by the caller
        if (type == EntryType.Unknown)
        {
            int looked = Interop.StatusAt(directory, name, out var status);
            if (looked is Errno.ENOENT or Errno.ENOTDIR)
                return;
            if (looked != 0)
            {
                Fail(looked, name, "delete");
                return;
            }
            type = status.IsDirectory ? EntryType.Directory : status.IsLink ? EntryType.Link : status.IsRegular
                ? EntryType.File
                : EntryType.Unknown;
        }
        switch (type)
        {
            case EntryType.Directory:
                Enter(directory, name);
                break;
            case EntryType.File or EntryType.Link when _withObjects && !TemporaryFiles.IsName(name):
                int errno = Interop.UnlinkAt(directory, name, isDirectory: false);
                if (errno == 0)
                {
                    _deleted++;
                    _progress?.Report(1);
                }
                else if (errno is not (Errno.ENOENT or Errno.ENOTDIR))
                {
                    Fail(errno, name, "delete");
                }
                break;
            default:
                // devices, FIFOs and sockets stay: no put ever made them
                break;
        }
    }

    void Enter(SafeFileHandle directory, string name)
    {
        int errno = Interop.OpenDirectoryAt(directory, name, out var handle);
        if (errno is Errno.ENOENT)
            return;
        if (errno is Errno.ENOTDIR or Errno.ELOOP)
        {
            // replaced by a link or a file since it was inspected: unlink that, not what it points to
            if (Interop.StatusAt(directory, name, out var now) == 0 && (now.IsLink || now.IsRegular))
                Take(directory, name, now.IsLink ? EntryType.Link : EntryType.File);
            return;
        }
        if (errno == 0)
        {
            errno = Interop.Status(handle!, out var status);
            if (errno == 0)
                errno = Interop.ReadDirectory(handle!, out var entries) is var read && read != 0
                    ? read
                    : Push(new Level(name, handle!, status, entries));
            if (errno != 0)
                handle!.Dispose();
        }
        if (errno != 0)
            Fail(errno, name, "read the directory");
    }

    int Push(Level level)
    {
        _levels.Add(level);
        if (_levels.Count > MostOpen)
        {
            var far = _levels[^(MostOpen + 1)];
            far.Handle!.Dispose();
            far.Handle = null;
        }
        return 0;
    }

    void Leave(Level level, SafeFileHandle root)
    {
        TemporaryFiles.Sweep(level.Handle!, level.Entries, TemporaryFiles.Grace);
        var above = _levels.Count > 1 ? _levels[^2] : null;
        if (above is { Handle: null })
        {
            LocalError.Check(Interop.OpenDirectoryAt(level.Handle!, "..", out var handle), _uri, "go back to the directory above");
            above.Handle = handle;
            LocalError.Check(Interop.Status(handle!, out var status), _uri, "go back to the directory above");
            if (!status.IsSameFile(above.Status))
                throw StoreException.Precondition(_uri,
                    $"the directory {level.Name} was moved elsewhere while the tree was deleted; what was left of the tree stays");
        }
        level.Handle!.Dispose();
        _levels.RemoveAt(_levels.Count - 1);
        int errno = Interop.UnlinkAt(above?.Handle ?? root, level.Name, isDirectory: true);
        // ENOTEMPTY: new or kept entries; ENOTDIR: the directory was moved and replaced by a link
        if (errno is not (0 or Errno.ENOTEMPTY or Errno.EEXIST or Errno.ENOENT or Errno.ENOTDIR))
            Fail(errno, level.Name, "remove the directory");
    }

    void Fail(int errno, string name, string operation)
    {
        _failed++;
        if (_first is not null)
            return;
        var path = new StringBuilder(_uri.TrimEnd('/'));
        // the first level is the tree itself
        foreach (var level in _levels.Skip(1))
            path.Append('/').Append(level.Name);
        if (_levels.Count > 0)
            path.Append('/').Append(name);
        _first = LocalError.Error(errno, path.ToString(), operation);
    }

    sealed class Level(string name, SafeFileHandle handle, FileStatus status, List<(string Name, EntryType Type)> entries)
    {
        public string Name => name;

        public SafeFileHandle? Handle { get; set; } = handle;

        public FileStatus Status => status;

        public List<(string Name, EntryType Type)> Entries => entries;

        public int Next { get; set; }
    }
}
