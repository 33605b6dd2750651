using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>What is done to directories.</summary>
static class Directories
{
    /// <summary>Most attempts to create a directory that a concurrent delete of the tree removes again.</summary>
    public const int MostTries = 100;

    /// <summary>Makes a directory and those above it that are missing.</summary>
    /// <param name="made">Gets each directory that was made, the highest first.</param>
    public static void Make(string uri, string path, List<string> made)
    {
        const string operation = "make the directory";
        int errno = 0;
        for (int tries = 0; tries < MostTries; tries++)
        {
            errno = Interop.MakeDirectory(path);
            if (errno == 0)
            {
                made.Add(path);
                return;
            }
            if (errno == Errno.ENOENT && path != "/")
            {
                Make(uri, LocalPath.Parent(path), made);
                continue;
            }
            // a read-only or automounted parent may say so before it says that the directory is there
            if (Interop.Status(path, follow: true, out var status) == 0)
            {
                if (status.IsDirectory)
                    return;
                throw LocalError.Error(Errno.ENOTDIR, uri, operation);
            }
            // what was there is gone again, unless it is a link that leads nowhere
            if (errno != Errno.EEXIST || (Interop.Status(path, follow: false, out var gone) == 0 && gone.IsLink))
                break;
        }
        throw LocalError.Error(errno, uri, operation);
    }

    /// <summary>Has the names in a directory on the device.</summary>
    public static void Sync(string uri, string path)
    {
        const string operation = "flush the directory";
        int opened = Interop.Open(path, Interop.ReadOnly | Interop.Directory, 0, out var handle);
        // deleted since, with what was put there
        if (opened == Errno.ENOENT)
            return;
        LocalError.Check(opened, uri, operation);
        using (handle)
        {
            int errno = Interop.Flush(handle!);
            // file systems without anything to flush say EINVAL
            LocalError.Check(errno == Errno.EINVAL ? 0 : errno, uri, operation);
        }
    }
}
