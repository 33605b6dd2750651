using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>The path of a new object, and the file that it replaces.</summary>
/// <param name="Uri">The object, as the user names it.</param>
/// <param name="Path">The file to be replaced: symbolic links are resolved, as a plain write would follow them.</param>
/// <param name="Existing">Status of the regular file at the path; null where there is none.</param>
/// <param name="Mode">The permissions that a file made for it begins with, less the umask.</param>
readonly record struct WriteTarget(string Uri, string Path, FileStatus? Existing, uint Mode)
{
    /// <summary>rw-------: what replaces a file may be as secret as that is, and gets its permissions when it is whole.</summary>
    const uint PrivateMode = 0x180;

    /// <summary>rw-rw-rw-.</summary>
    const uint DefaultMode = 0x1b6;

    // the kernel's own limit
    const int MostLinks = 40;

    /// <summary>Inspects the path, and refuses at once what the commit would refuse after the data was written.</summary>
    public static WriteTarget Inspect(string uri, string path, PutOptions options)
    {
        const string operation = "write";
        ObjectAttributes.Check(uri, options, ObjectAttributes.OfContent, hasTags: false);
        for (int looks = 0; ; looks++)
        {
            int errno = Interop.Status(path, follow: false, out var status);
            if (errno == Errno.ENOENT)
            {
                if (options.IfMatch is not null)
                    throw new StoreException(
                        ErrorKind.NotFound, uri, $"expected ETag {options.IfMatch}, found no such object: it was deleted since");
                return new WriteTarget(uri, path, null, PrivateMode | (DefaultMode & (options.Permissions ?? DefaultMode)));
            }
            LocalError.Check(errno, uri, operation);
            if (!status.IsLink)
            {
                LocalFile.CheckRegular(uri, status, operation);
                if (!options.Overwrite)
                    throw StoreException.Exists(uri);
                LocalFile.CheckMatch(uri, options.IfMatch, status);
                // a rename asks the directory only; a file that its owner made read-only is to stay
                errno = Interop.CheckWritable(path);
                if (errno == Errno.ENOENT)
                    continue; // deleted meanwhile: look again
                LocalError.Check(errno, uri, operation);
                return new WriteTarget(uri, path, status, PrivateMode);
            }
            if (looks >= MostLinks)
                throw LocalError.Error(Errno.ELOOP, uri, operation);
            errno = Interop.ReadLink(path, out string next);
            if (errno is Errno.ENOENT or Errno.EINVAL)
                continue; // no link any more
            LocalError.Check(errno, uri, operation);
            // not folded as text: a '..' in a link is relative to where the directory really is
            path = next.StartsWith('/') ? next : $"{LocalPath.Parent(path)}/{next}";
        }
    }
}
