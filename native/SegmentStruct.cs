using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>struct s3dlio_segment</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct SegmentStruct
{
    public void* Data;
    public ulong Length;
}
