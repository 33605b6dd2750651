namespace S3dlio.Storage.Local;

/// <summary>
/// How keys become paths. Empty segments and <c>.</c> fold, as in any path; <c>..</c> is refused, so a key never leaves the store's
/// directory by its text (symbolic links inside it are the owner's will and are followed), and so are the names of objects that are being
/// written. All else is literal.
/// </summary>
readonly struct LocalPath
{
    readonly StoreUri _root;

    public LocalPath(StoreUri root)
    {
        _root = root;
        if (root.Key.Contains('\0', StringComparison.Ordinal))
            throw StoreException.InvalidArgument(root.ToString().Replace("\0", "\\0", StringComparison.Ordinal),
                "the path holds a NUL character");
        RootPath = "/" + root.Key.Trim('/');
    }

    /// <summary>The store's own directory, absolute.</summary>
    public string RootPath { get; }

    /// <summary>The file of an object.</summary>
    public string Object(string key)
    {
        ObjectKey.Check(_root, key);
        string path = Directory(key);
        if (path.Length == RootPath.Length)
            throw StoreException.InvalidArgument(_root.Child(key), "the key names the store's directory itself, not an object in it");
        return path;
    }

    /// <summary>A directory of the store; the empty key is the store's own.</summary>
    public string Directory(string key)
    {
        bool folds = false;
        foreach (var range in key.AsSpan().Split('/'))
        {
            var segment = key.AsSpan()[range];
            if (segment.SequenceEqual(".."))
                throw StoreException.InvalidArgument(_root.Child(key),
                    "the key holds a '..' segment, which could leave the store; write the path without it");
            if (TemporaryFiles.IsName(segment))
                throw StoreException.InvalidArgument(_root.Child(key),
                    $"the key holds '{segment}', the name of an object in the making: listings leave it out and housekeeping removes it; "
                    + "choose another name");
            folds |= segment.IsEmpty || segment.SequenceEqual(".");
        }
        string relative = folds ? string.Join('/', key.Split('/').Where(segment => segment is not ("" or "."))) : key;
        return relative.Length == 0 ? RootPath : RootPath.Length == 1 ? RootPath + relative : $"{RootPath}/{relative}";
    }

    /// <summary>The directory that holds an absolute path's last name.</summary>
    public static string Parent(string path) => path.LastIndexOf('/') is var slash && slash > 0 ? path[..slash] : "/";
}
