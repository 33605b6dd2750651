namespace S3dlio.Native;

/// <summary>The wall at the ABI: whatever happens inside becomes a status code and a remembered error.</summary>
static class Guard
{
    public const int Ok = 0;
    public const int Pending = -1;
    public const int End = -2;

    public delegate int Body();

    public static int Run(Body body)
    {
        try
        {
            return body();
        }
        catch (Exception error)
        {
            return LastError.Set(error);
        }
    }
}
