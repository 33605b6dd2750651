namespace S3dlio.Tensors;

/// <summary>The element types of safetensors 0.8, in the ascending order by which its writer sorts (downwards).</summary>
public enum DType
{
    Bool,
    F4,
    F6E2M3,
    F6E3M2,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    F8E4M3FNUZ,
    F8E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}
