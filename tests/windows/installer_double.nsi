; A double of the installer that constructor makes of Miniconda and Miniforge for Windows.
;
; The same as there, compared with constructor/nsis/main.nsi.tmpl of conda/constructor at f57a3e7b (2026-08-07): the words
; /InstallationType=JustMe, /S and /D=; a folder that is not empty, one of ^%!=,() in its name, a letter beyond ASCII, and a
; name that gets longer than 259 with the longest file in it are refused in silent mode, too, and leave an exit code;
; install_tmp and .installer.info are there while it works.
;
; Not the same: it is a program for 64 bits, as the bench runs no other; it unpacks nothing, but has the Python of the bench copied (BASE), with a conda that only says what it is; a
; letter of the ANSI code page is refused, which the real one takes for a Python 3; it knows no other words.

Target amd64-unicode
Name "Double of Miniconda"
OutFile "${OUT}"
RequestExecutionLevel user
SilentInstall normal
!include FileFunc.nsh
!include LogicLib.nsh
!define LONGEST_INSIDE 150

Section
  ${GetParameters} $R0
  ${GetOptions} $R0 "/InstallationType=" $R1
  ${If} $R1 != "JustMe"
    Goto refused
  ${EndIf}
  ${DirState} "$INSTDIR" $R1
  ${If} $R1 == 1
    Goto refused
  ${EndIf}
  StrLen $R2 "$INSTDIR"
  IntOp $R1 $R2 + ${LONGEST_INSIDE}
  ${If} $R1 > 258
    Goto refused
  ${EndIf}
  StrCpy $R3 0
  ${While} $R3 < $R2
    StrCpy $R4 "$INSTDIR" 1 $R3
    System::Call "*(&w1 '$R4') p .R5"
    System::Call "*$R5(&i2 .R6)"
    System::Free $R5
    ${If} $R6 > 126
      Goto refused
    ${EndIf}
    StrCpy $R7 0
    ${While} $R7 < 7
      StrCpy $R8 "^%!=,()" 1 $R7
      ${If} $R4 == $R8
        Goto refused
      ${EndIf}
      IntOp $R7 $R7 + 1
    ${EndWhile}
    IntOp $R3 $R3 + 1
  ${EndWhile}
  SetOutPath "$INSTDIR"
  CreateDirectory "$INSTDIR\install_tmp"
  FileOpen $R9 "$INSTDIR\.installer.info" w
  FileClose $R9
  InitPluginsDir
  File "/oname=$PLUGINSDIR\fill.py" "${FILL}"
  ExecWait '"${BASE}\python.exe" -I -B "$PLUGINSDIR\fill.py" "$INSTDIR"' $R1
  RMDir /r "$INSTDIR\install_tmp"
  Delete "$INSTDIR\.installer.info"
  SetErrorLevel $R1
  Return
refused:
  SetErrorLevel 2
  Abort
SectionEnd
