using System.Globalization;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>An object's file, opened and looked at: what head, read and copy begin with.</summary>
static class LocalFile
{
    /// <summary>Opens a regular file for reading; anything else is refused, without waiting for the other end of a FIFO.</summary>
    public static SafeFileHandle Open(string uri, string path, out FileStatus status)
    {
        const string operation = "open for reading";
        LocalError.Check(
            Interop.Open(path, Interop.ReadOnly | Interop.NonBlocking | Interop.NoTerminal, 0, out var handle), uri, operation);
        try
        {
            LocalError.Check(Interop.Status(handle!, out status), uri, operation);
            CheckRegular(uri, status, operation);
            return handle!;
        }
        catch
        {
            handle!.Dispose();
            throw;
        }
    }

    /// <summary>The kernel's own files (/proc, /sys) say that they are empty: read as objects they would be, without a word.</summary>
    public static void CheckEmpty(string uri, SafeFileHandle handle, in FileStatus status)
    {
        if (status.Size == 0 && Interop.ReadOnce(handle, stackalloc byte[1], 0, out int held) == 0 && held > 0)
            throw StoreException.InvalidData(uri,
                "the file says that it has 0 bytes and holds some: it is one of the kernel's, or it is being written in place; read it "
                + "with Python's open()");
    }

    public static void CheckRegular(string uri, in FileStatus status, string operation)
    {
        if (status.IsDirectory)
            throw LocalError.Error(Errno.EISDIR, uri, operation);
        if (!status.IsRegular)
            throw StoreException.InvalidArgument(uri, $"cannot {operation}: {status.TypeName} stands there, a regular file was expected");
    }

    /// <summary>The object as its open file and its record tell it.</summary>
    public static ObjectMeta Meta(string key, in FileStatus status, FileAttributeRecord record)
    {
        var meta = new ObjectMeta
        {
            Key = key,
            Size = status.Size,
            LastModified = status.LastModified,
            ETag = status.ETag,
            Permissions = status.Permissions,
            Checksum = record.Checksum,
            ContentType = record.ContentType,
            Metadata = record.Metadata,
            Attributes = record.Attributes,
        };
        if (record.Checksum is null || record.Size == status.Size)
            return meta;
        // so that a failed validation can say that the file was cut or extended since it was written
        return meta with
        {
            Attributes = new Dictionary<string, string>(
                record.Attributes)
            { ["recorded_size"] = record.Size.ToString(CultureInfo.InvariantCulture) },
        };
    }

    public static void CheckMatch(string uri, string? expected, in FileStatus status)
    {
        if (expected is not null && status.ETag != expected)
            throw StoreException.WrittenSince(uri, expected, status.ETag);
    }
}
