namespace S3dlio.Storage.Local;

/// <summary>What is done to directories.</summary>
static class Directories
{
    /// <summary>Makes a directory and those above it that are missing.</summary>
    /// <param name="made">Gets each directory that was made, the highest first.</param>
    public static void Make(string uri, string path, List<string> made)
    {
        const string operation = "make the directory";
        int errno = Libc.MakeDirectory(path);
        if (errno == Errno.ENOENT && path != "/")
        {
            Make(uri, LocalPath.Parent(path), made);
            errno = Libc.MakeDirectory(path);
        }
        if (errno == 0)
        {
            made.Add(path);
            return;
        }
        // a read-only or automounted parent may say so before it says that the directory is there
        if (Libc.Status(path, follow: true, out var status) == 0)
        {
            if (status.IsDirectory)
                return;
            throw Errno.Error(Errno.ENOTDIR, uri, operation);
        }
        throw Errno.Error(errno, uri, operation);
    }

    /// <summary>Has the names in a directory on the device.</summary>
    public static void Sync(string uri, string path)
    {
        const string operation = "flush the directory";
        Errno.Check(Libc.Open(path, Libc.ReadOnly | Libc.Directory, 0, out var handle), uri, operation);
        using (handle)
        {
            int errno = Libc.Sync(handle!);
            // file systems without anything to flush say EINVAL
            Errno.Check(errno == Errno.EINVAL ? 0 : errno, uri, operation);
        }
    }

    /// <summary>Removes the empty directories at and below <paramref name="path"/>, from the leaves up, and what dead writers left in them.</summary>
    public static void RemoveEmpty(string uri, string path, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var below = new List<string>();
        bool orphans = false;
        int errno = Libc.ReadDirectory(path, (name, type) =>
        {
            string child = $"{path}/{name}";
            if (type == EntryType.Directory || (type == EntryType.Unknown && Libc.Status(child, follow: false, out var status) == 0 && status.IsDirectory))
                below.Add(child);
            orphans |= Temporaries.IsName(name);
        });
        if (errno == Errno.ENOENT)
            return;
        Errno.Check(errno, uri, "read the directory");
        foreach (string child in below)
            RemoveEmpty(uri, child, cancel);
        if (orphans)
            Temporaries.Sweep(path, Temporaries.Grace);
        errno = Libc.RemoveDirectory(path);
        if (errno is not (Errno.ENOTEMPTY or Errno.EEXIST or Errno.ENOENT))
            Errno.Check(errno, uri, "remove the directory");
    }
}
