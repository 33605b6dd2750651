using System.Runtime.InteropServices;

namespace S3dlio.IO;

/// <summary>The first bytes of a file in the address space.</summary>
sealed class FileMap : SafeHandle
{
    public FileMap(nint place, long length)
        : base(-1, ownsHandle: true)
    {
        SetHandle(place);
        Length = length;
    }

    public long Length { get; }

    public nint Place => handle;

    public override bool IsInvalid => handle == -1;

    protected override bool ReleaseHandle()
    {
        Interop.Unmap(handle, Length);
        return true;
    }
}
