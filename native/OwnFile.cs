using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>Where this library was loaded from, as the loader knows it; of a copy in memory that is no place.</summary>
static unsafe partial class OwnFile
{
    public static string Folder()
    {
        delegate* unmanaged<uint> inside = &Exports.GetAbiVersion;
        return dladdr((nint)inside, out var found) != 0 && Path.GetDirectoryName(Marshal.PtrToStringUTF8(found.File)) is { } folder
            ? folder
            : "";
    }

    [StructLayout(LayoutKind.Sequential)]
    struct Found
    {
        public nint File, Base, Name, Address;
    }

    [LibraryImport("libc")]
    private static partial int dladdr(nint address, out Found found);
}
