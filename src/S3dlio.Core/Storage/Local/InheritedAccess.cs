using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>Owner, permissions and access list of the file that is replaced, as a write in place would have left them.</summary>
static class InheritedAccess
{
    const string AccessList = "system.posix_acl_access";
    const uint GroupBits = 0x38, OthersBits = 7;
    const int MostAttribute = 1 << 16; // XATTR_SIZE_MAX
    const uint Keep = uint.MaxValue;

    /// <summary>
    /// Gives a written file what the one that stands under the target's name has now; with none there it stays as it was made.
    /// </summary>
    /// <param name="handle">The written file.</param>
    /// <param name="status">What the kernel says of it.</param>
    /// <param name="target">The path that it will have.</param>
    public static void Give(SafeFileHandle handle, in FileStatus status, in WriteTarget target)
    {
        // its owner may have removed the permissions of others since the write began, or another user may have created it
        if (Interop.Status(target.Path, follow: false, out var now) != 0 || !now.IsRegular)
        {
            if (target.Existing is not { } before)
                return;
            now = before;
        }
        uint permissions = now.Permissions;
        bool isGroupKept = now.Group == status.Group || Interop.Chown(handle, Keep, now.Group) == 0;
        // what the group was allowed is not for another group
        if (!isGroupKept)
            permissions = (permissions & ~GroupBits) | ((permissions & OthersBits) << 3);
        GiveList(handle, target, isGroupKept);
        if (permissions != status.Permissions || target.Existing is not null)
            LocalError.Check(Interop.Chmod(handle, permissions), target.Uri, "keep the file's permissions");
        // last: after a change of owner this process may not be allowed to change the file
        if (now.User != status.User)
            _ = Interop.Chown(handle, now.User, Keep);
    }

    /// <summary>
    /// Where the replaced file has an access list its group bits are that list's mask, and without one the directory's default list must
    /// not open it to others.
    /// </summary>
    static void GiveList(SafeFileHandle handle, in WriteTarget target, bool isGroupKept)
    {
        Span<byte> list = stackalloc byte[1024];
        int errno = Interop.GetAttribute(target.Path, AccessList, list, out int length);
        if (errno == Errno.ERANGE)
        {
            list = new byte[MostAttribute];
            errno = Interop.GetAttribute(target.Path, AccessList, list, out length);
        }
        if (errno == 0 && isGroupKept)
            LocalError.Check(Interop.SetAttribute(handle, AccessList, list[..length]), target.Uri, "keep the file's access list");
        else if (errno is 0 or Errno.ENODATA)
            // there may be none
            _ = Interop.RemoveAttribute(handle, AccessList);
    }
}
