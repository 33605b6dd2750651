using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>struct s3dlio_segment</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct SegmentStruct : ISizedStruct
{
    public uint StructSize;
    public uint Reserved;
    public void* Data;
    public ulong Length;

    public static int LeastSize => sizeof(SegmentStruct);
}
