# Modes: chmod, and mkdir -m.
mkdir -m 700 a; ls -ld a | cut -c 1-10
mkdir -m u=rwx,go= a; ls -ld a | cut -c 1-10
mkdir -p -m 700 a/b; ls -ld a | cut -c 1-10; ls -ld a/b | cut -c 1-10
mkdir -m x a
touch f; chmod 600 f; ls -l f | cut -c 1-10
touch f; chmod u+x f; ls -l f | cut -c 1-10
touch f; chmod a=r f; ls -l f | cut -c 1-10
touch f; chmod go-r f; ls -l f | cut -c 1-10
touch f; chmod +x f; ls -l f | cut -c 1-10
touch f; chmod u=rwx,g=rx,o= f; ls -l f | cut -c 1-10
touch f; chmod g=u f; ls -l f | cut -c 1-10
touch f; chmod a+X f; ls -l f | cut -c 1-10
touch f; chmod u+x f; chmod a+X f; ls -l f | cut -c 1-10
mkdir -p d/e; touch d/f; chmod -R u=rwX,go=rX d; ls -l d | tail -n 2 | cut -c 1-10
mkdir -p d/e; touch d/f; chmod -R 700 d; ls -ld d d/e d/f | cut -c 1-10
mkdir d; chmod a+X d; ls -ld d | cut -c 1-10
touch f; chmod u+s f; ls -l f | cut -c 1-10
mkdir d; chmod +t d; ls -ld d | cut -c 1-10
touch f; chmod -x f; ls -l f | cut -c 1-10
touch f; chmod u-w f; ls -l f | cut -c 1-10
touch f; chmod 999 f
touch f; chmod z+x f
chmod 600 none
chmod
chmod 600
