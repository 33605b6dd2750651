using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// Walks a directory tree in the order of the keys. Only the names of the directories on the way down are held, never the tree. A link to a
/// file is that file; a link to a directory is shown as a prefix, and recursion does not follow it, since it may lead in circles.
/// </summary>
sealed class Listing
{
    readonly string _uri;
    readonly ListOptions _options;
    readonly Stack<Level> _levels = new();

    /// <param name="uri">What is listed, for messages.</param>
    /// <param name="path">The directory that the prefix leads into.</param>
    /// <param name="prefix">The prefix up to and with its last <c>/</c>, as the caller wrote it: every key begins with it.</param>
    /// <param name="namePrefix">What names in that directory begin with.</param>
    /// <param name="options">The rest of the question.</param>
    public Listing(string uri, string path, string prefix, string namePrefix, ListOptions options)
    {
        _uri = uri;
        _options = options;
        Enter(path, prefix, namePrefix);
    }

    public ListPage NextPage(CancellationToken cancel)
    {
        var objects = new List<ObjectMeta>();
        var prefixes = new List<string>();
        while (objects.Count + prefixes.Count < _options.PageSize && _levels.TryPeek(out var level))
        {
            cancel.ThrowIfCancellationRequested();
            if (level.Next == level.Entries.Count)
            {
                _levels.Pop();
                continue;
            }
            var entry = level.Entries[level.Next++];
            string key = level.Prefix + entry.Name;
            if (!entry.IsDirectory)
            {
                if (IsAfterStart(key) && (_options.Pattern?.IsMatch(key) ?? true) && Look(level, entry, key) is { } found)
                    objects.Add(found);
                continue;
            }
            key += "/";
            // a directory before the start is still of use when the start lies in it
            if (_options.Recursive)
            {
                if (IsAfterStart(key) || _options.StartAfter!.StartsWith(key, StringComparison.Ordinal))
                    Enter($"{level.Path}/{entry.Name}", key, "");
            }
            else if (IsAfterStart(key))
            {
                prefixes.Add(key);
            }
        }
        return new ListPage(objects, prefixes);
    }

    bool IsAfterStart(string key) => _options.StartAfter is null || ObjectKey.Compare(key, _options.StartAfter) > 0;

    void Enter(string path, string prefix, string namePrefix)
    {
        var entries = new List<Entry>();
        int errno = Interop.ReadDirectory(path, out var found);
        foreach (var (name, given) in found)
        {
            var type = given;
            if (!name.StartsWith(namePrefix, StringComparison.Ordinal) || TemporaryFiles.IsName(name))
                continue;
            if (type is EntryType.Link or EntryType.Unknown)
                type = Resolve($"{path}/{name}");
            if (type is EntryType.File or EntryType.Directory)
                entries.Add(new Entry(name, type == EntryType.Directory));
        }
        // a directory that is not there, or went since its parent was read, holds no keys; one that cannot be read is no empty one
        if (errno is not (Errno.ENOENT or Errno.ENOTDIR))
            LocalError.Check(errno, _uri, $"list the directory {path}");
        entries.Sort();
        _levels.Push(new Level(path, prefix, entries));
    }

    EntryType Resolve(string path)
    {
        if (Interop.Status(path, follow: false, out var status) != 0)
            return EntryType.Unknown;
        bool isLink = status.IsLink;
        if (isLink && Interop.Status(path, follow: true, out status) != 0)
            return EntryType.Unknown;
        if (status.IsDirectory)
            return isLink && _options.Recursive ? EntryType.Unknown : EntryType.Directory;
        return status.IsRegular ? EntryType.File : EntryType.Unknown;
    }

    /// <returns>Null for a file that went since its directory was read.</returns>
    ObjectMeta? Look(Level level, Entry entry, string key)
    {
        int errno = Interop.Status($"{level.Path}/{entry.Name}", follow: true, out var status);
        if (errno is Errno.ENOENT or Errno.ENOTDIR || (errno == 0 && !status.IsRegular))
            return null;
        LocalError.Check(errno, _uri, $"look at {level.Path}/{entry.Name}");
        return new ObjectMeta { Key = key, Size = status.Size, LastModified = status.LastModified, ETag = status.ETag };
    }

    sealed class Level(string path, string prefix, List<Entry> entries)
    {
        public string Path => path;

        public string Prefix => prefix;

        public List<Entry> Entries => entries;

        public int Next { get; set; }
    }

    readonly record struct Entry(string Name, bool IsDirectory) : IComparable<Entry>
    {
        /// <summary>A directory sorts as its keys do: by its name with a <c>/</c> after it.</summary>
        public int CompareTo(Entry other)
        {
            int order = ObjectKey.Compare(Name, other.Name);
            if (!IsDirectory && !other.IsDirectory)
                return order;
            // only a name that begins with the other one can be put elsewhere by the slash
            return Name.Length != other.Name.Length
                && (Name.StartsWith(other.Name, StringComparison.Ordinal) || other.Name.StartsWith(Name, StringComparison.Ordinal))
                ? ObjectKey.Compare(IsDirectory ? Name + "/" : Name, other.IsDirectory ? other.Name + "/" : other.Name)
                : order;
        }
    }
}
